//! The simulated API in a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use passflow::simulator::{Config, Mode, Simulator, http};

const SERVE: &str = "serve-the-api";

/// Four active and two past passes a user, always the same.
fn config(users: u64) -> Config {
    Config { users, mode: Mode::Light, ..Config::default() }
}

/// The API, while this lives.
pub struct ApiProcess {
    child: Child,
    pub base_url: String,
    /// Has the same users with the same tokens, to ask for them.
    pub simulator: Simulator,
}

impl ApiProcess {
    pub fn start(users: u64) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args([SERVE.to_owned(), users.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the API");
        let mut base_url = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout).read_line(&mut base_url).expect("its base URL");
        Self { child, base_url: base_url.trim().to_owned(), simulator: Simulator::new(config(users)) }
    }
}

impl Drop for ApiProcess {
    fn drop(&mut self) {
        // It ends by itself when its input ends; should it have ended already, so much the better.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// How many users to serve, when this is the API's process.
pub fn asked_to_serve() -> Option<u64> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == SERVE).then(|| arguments.next()?.parse().ok()).flatten()
}

/// Serves until the standard input ends.
pub fn serve(users: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (listener, base_url) = http::bind().await.expect("a port");
        println!("{base_url}");
        let parent_gone = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
        let simulator = Arc::new(Simulator::new(config(users)));
        http::serve(simulator, listener, async { _ = parent_gone.await }).await.expect("serving");
    });
}
