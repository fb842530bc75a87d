//! An API whose every body has a megabyte, in a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use axum::{Router, extract::Query, routing::get};

const SERVE: &str = "serve-large-bodies";

/// Passes a body, and bytes of each: an event of one fits its topic.
const PASSES: usize = 4;
const PASS_BYTES: usize = 256 << 10;

/// The API, while this lives.
pub struct LargeBodies {
    child: Child,
    pub base_url: String,
}

impl LargeBodies {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let mut child = command.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the API");
        let mut base_url = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut base_url).expect("its base URL");
        Self { child, base_url: base_url.trim().to_owned() }
    }
}

impl Drop for LargeBodies {
    fn drop(&mut self) {
        // It ends by itself when its input ends.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

pub fn is_asked_to_serve() -> bool {
    std::env::args().nth(1).as_deref() == Some(SERVE)
}

/// Serves until the standard input ends.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        println!("http://{}", listener.local_addr().expect("its address"));
        let parent_gone = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
        let history = |Query(query): Query<Vec<(String, String)>>| async move {
            let is_first = query.contains(&("page".to_owned(), "1".to_owned()));
            body("history", if is_first { PASSES } else { 0 })
        };
        let router = Router::new()
            .route("/passes", get(|| async { body("active", PASSES) }))
            .route("/v4.0/passes", get(history));
        let served = axum::serve(listener, router).with_graceful_shutdown(async { _ = parent_gone.await });
        served.await.expect("serving");
    });
}

fn body(list: &str, passes: usize) -> String {
    let filling = "x".repeat(PASS_BYTES);
    let pass = |nth| format!(r#"{{"uuid":"{list}-{nth}","status":"USABLE","encrypted_payload":"{filling}"}}"#);
    let passes: Vec<String> = (0..passes).map(pass).collect();
    format!(r#"{{"errors":[],"server_time":"now","data":{{"passes":[{}],"total_count":{PASSES}}}}}"#, passes.join(","))
}
