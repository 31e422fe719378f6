# syntax=docker/dockerfile:1
# One image for every role: the command `orbit` on Debian, run by a user of its own.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /orbit
ENV SQLX_OFFLINE=true CARGO_INCREMENTAL=0

# Dependencies first, in a layer of their own: it is built again only when a manifest or Cargo.lock changes. Every room
# is empty but for its manifest, so cargo compiles the dependencies and nothing of ours.
COPY Cargo.toml Cargo.lock ./
COPY events/Cargo.toml events/
COPY domain/Cargo.toml domain/
COPY event-store/Cargo.toml event-store/
COPY platform/Cargo.toml platform/
COPY adapters/Cargo.toml adapters/
COPY migrations/Cargo.toml migrations/
COPY runtime/Cargo.toml runtime/
COPY testing/Cargo.toml testing/
COPY command-api/Cargo.toml command-api/
COPY projector/Cargo.toml projector/
COPY query-api/Cargo.toml query-api/
COPY reactor/Cargo.toml reactor/
COPY orbit/Cargo.toml orbit/
COPY system-tests/Cargo.toml system-tests/
RUN for room in */; do mkdir -p "$room/src" && touch "$room/src/lib.rs"; done \
    && echo 'fn main() {}' | tee orbit/src/main.rs migrations/build.rs >/dev/null \
    && cargo build --release --locked --package orbit

# Then ours. What was just built from empty files is newer than the sources that now take their place, which cargo
# would take for unchanged: hence `touch`.
COPY . .
RUN find . -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package orbit \
    && install -D target/release/orbit /image/usr/local/bin/orbit

FROM debian:bookworm-slim
# Certificates, for a database, a broker or a collector of traces behind TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin orbit \
    # A new volume takes over the owner of the directory it covers.
    && install -d -o orbit -g orbit -m 0700 /var/lib/orbit/blobs
COPY --from=build /image/ /
USER 10001:10001
ENV ORBIT_ENV=production ORBIT_BIND=0.0.0.0 ORBIT_LOG_FORMAT=json
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["orbit", "ready"]
ENTRYPOINT ["orbit"]
CMD ["--help"]
