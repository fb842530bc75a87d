//! An OTLP collector over gRPC that keeps what it is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    trace::v1::Span,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

#[derive(Clone, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<BTreeSet<String>>>,
}

pub struct Collector {
    pub url: String,
    kept: Kept,
    _runtime: Runtime,
}

/// Ids in hexadecimal.
#[derive(Clone)]
pub struct Seen {
    pub name: String,
    pub id: String,
    pub parent: String,
}

impl Collector {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let kept = Kept::default();
        let listener = runtime.block_on(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(kept.clone()))
            .add_service(MetricsServiceServer::new(kept.clone()));
        runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Self { url, kept, _runtime: runtime }
    }

    /// The spans of a trace, by id and by name (one of each name).
    pub fn spans_of(&self, trace: &str) -> BTreeMap<String, Seen> {
        let spans = self.kept.spans.lock().unwrap();
        let of_trace = spans.iter().filter(|span| hex(&span.trace_id) == trace);
        let seen = of_trace.map(|span| Seen {
            name: span.name.clone(),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
        });
        seen.flat_map(|seen| [(seen.id.clone(), seen.clone()), (seen.name.clone(), seen)]).collect()
    }

    /// The names of the metrics.
    pub fn metrics(&self) -> BTreeSet<String> {
        self.kept.metrics.lock().unwrap().clone()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        self.spans.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Kept {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scopes = request.into_inner().resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
        self.metrics.lock().unwrap().extend(names);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
