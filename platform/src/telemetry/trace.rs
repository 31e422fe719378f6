//! One trace from the HTTP write through the relay to the projection: W3C `traceparent` in and out of spans.

use std::collections::HashMap;

use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that carries a trace, in HTTP and in NATS.
pub const TRACEPARENT: &str = "traceparent";

/// The current span as a `traceparent`, to be put into an envelope or a header. `None` while traces go nowhere.
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// A span as a `traceparent`.
pub fn traceparent_of(span: &Span) -> Option<String> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context
        .is_valid()
        .then(|| format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8()))
}

/// Spans that go on with a trace begun elsewhere.
pub trait ContinueTrace {
    /// Makes the span a child of the one that `traceparent` names. To be called before the span is first entered;
    /// garbage, or no export of traces, leaves it as it is.
    fn set_parent_from(&self, traceparent: &str);
}

impl ContinueTrace for Span {
    fn set_parent_from(&self, traceparent: &str) {
        let parent = TraceContextPropagator::new().extract(&Header(traceparent));
        if parent.span().span_context().is_valid() {
            // Refused when traces are off or the span is filtered out: nothing is lost then.
            let _ = self.set_parent(parent);
        }
    }
}

/// Most traces that one piece of work goes on with.
const CONTINUED: usize = 16;

/// Spans for work that is done for many writes at once: one for each of their traces (the first sixteen), so that every
/// write's trace goes on here; one of its own where none of them has a trace.
pub fn continued<'a>(traceparents: impl IntoIterator<Item = &'a str>, span: impl Fn() -> Span) -> Vec<Span> {
    let mut traces: Vec<&str> = Vec::new();
    for trace in traceparents {
        if traces.len() < CONTINUED && !traces.contains(&trace) {
            traces.push(trace);
        }
    }
    if traces.is_empty() {
        return vec![span()];
    }
    let continued = |trace: &str| {
        let span = span();
        span.set_parent_from(trace);
        span
    };
    traces.into_iter().map(continued).collect()
}

struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The headers to send along with a message or a request made within the current span.
pub fn outgoing() -> HashMap<&'static str, String> {
    current_traceparent().map(|value| (TRACEPARENT, value)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_trace_goes_on_from_one_process_to_the_next() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let write = tracing::info_span!("command.tasks.create");
            let sent = write.in_scope(current_traceparent).unwrap();
            let apply = tracing::info_span!("projection.tasks.apply");
            apply.set_parent_from(&sent);
            let seen = apply.in_scope(current_traceparent).unwrap();
            assert_eq!(sent[..36], seen[..36], "the same trace id");
            assert_ne!(sent, seen, "another span");
        });
    }

    #[test]
    fn garbage_and_no_export_change_nothing() {
        let span = tracing::info_span!("request");
        span.set_parent_from("00-not-a-trace");
        span.set_parent_from("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(span.in_scope(current_traceparent), None);
        assert!(outgoing().is_empty());
    }
}
