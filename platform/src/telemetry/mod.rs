//! Logs, traces and metrics.
//!
//! Rules for whoever logs: a line reads well alone and carries fields; an error means that a person must act; never a
//! secret, never what a user wrote (ids are fine). What went wrong inside is logged once, where it is handled.

pub mod metrics;
pub mod trace;

use std::{
    fs::{File, OpenOptions},
    io::IsTerminal,
    panic::PanicHookInfo,
    path::PathBuf,
    sync::Mutex,
};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::writer::BoxMakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::config::{LogFormat, TelemetryArgs};

/// Where log lines go.
#[derive(Clone, Debug, Default)]
pub enum Destination {
    /// To the terminal, or whatever stands behind standard error.
    #[default]
    Stderr,
    /// To the end of a file.
    File(PathBuf),
}

/// Why there are no logs or traces.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The filter cannot be read.
    #[error("ORBIT_LOG is not a filter: write it like info,orbit_event_store=debug")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The log file cannot be opened.
    #[error("the log file {} cannot be written: check that its folder exists and who may write there", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it cannot be opened.
        #[source]
        source: std::io::Error,
    },
    /// The exporter of traces cannot be built.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used: write it like http://localhost:4318")]
    Exporter(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else has set up logging in this process.
    #[error("logging was set up twice in one process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Keeps telemetry alive; dropping it sends what is still to be sent.
#[must_use = "traces that are still to be sent are lost without it"]
#[derive(Debug)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(provider) = self.provider.take() else { return };
        // In a thread of its own: the exporter's client blocks, which a runtime's thread must not.
        let ended = std::thread::spawn(move || provider.shutdown()).join();
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// Sets up logs, the metrics recorder, the panic hook and, where an endpoint is set, traces; once per process.
pub fn init(args: &TelemetryArgs, service_name: &'static str, destination: &Destination) -> Result<Guard, Fault> {
    let filter = EnvFilter::builder().parse(&args.log).map_err(Fault::Filter)?;
    let (writer, colours) = match destination {
        Destination::Stderr => (BoxMakeWriter::new(std::io::stderr), std::io::stderr().is_terminal()),
        Destination::File(path) => (BoxMakeWriter::new(Mutex::new(open(path)?)), false),
    };
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match args.log_format {
        LogFormat::Human => {
            tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(writer).with_filter(filter).boxed()
        }
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(writer)
            .with_filter(filter)
            .boxed(),
    };
    let endpoint = args.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.trim().is_empty());
    let provider = endpoint.map(|endpoint| exporter(endpoint, service_name)).transpose()?;
    // The exporter's own client makes spans too: exporting those would never end.
    let exported = || EnvFilter::new("info,hyper=off,hyper_util=off,reqwest=off,h2=off,opentelemetry=off");
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("orbit")).with_filter(exported()));
    tracing_subscriber::registry().with(lines).with(traces).try_init().map_err(Fault::Twice)?;
    metrics::install();
    std::panic::set_hook(Box::new(log_panic));
    Ok(Guard { provider })
}

fn open(path: &PathBuf) -> Result<File, Fault> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|source| Fault::File { path: path.clone(), source })
}

/// OTLP over HTTP. The client blocks and brings a runtime of its own, so it is built where there is none.
fn exporter(endpoint: &str, service_name: &'static str) -> Result<SdkTracerProvider, Fault> {
    let endpoint = format!("{}/v1/traces", endpoint.trim().trim_end_matches('/'));
    let build = move || {
        opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_headers(std::collections::HashMap::new())
            .with_endpoint(endpoint)
            .build()
    };
    let exporter = std::thread::spawn(build)
        .join()
        .map_err(|_| Fault::Exporter("its thread panicked".into()))?
        .map_err(|error| Fault::Exporter(Box::new(error)))?;
    let resource = Resource::builder().with_service_name(service_name).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// A panic is a line like any other. A message that was formatted may quote what a user wrote, so it is for debugging only.
fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let literal = info.payload().downcast_ref::<&'static str>();
    tracing::error!(
        place,
        message = literal.copied().unwrap_or("(a formatted message: ORBIT_LOG=debug shows it)"),
        "panicked"
    );
    if let Some(message) = info.payload().downcast_ref::<String>() {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::debug!(place, message, %backtrace, "the panic's message");
    }
}
