//! The built binary as a process, with a Bytemark simulated in the test's own process, over real HTTP.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use passflow::simulator::{self, Simulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

mod ran;

pub use ran::Ran;

/// A simulated Bytemark that is served as long as this lives.
pub struct Bytemark {
    pub simulator: Arc<Simulator>,
    pub url: String,
    pub runtime: Runtime,
}

impl Bytemark {
    pub fn new(config: simulator::Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let simulator = Arc::new(Simulator::new(config));
        let (listener, url) = runtime.block_on(simulator::http::bind()).unwrap();
        runtime.spawn(simulator::http::serve(Arc::clone(&simulator), listener, std::future::pending()));
        Self { simulator, url, runtime }
    }

    /// Users whose passes change by hand only, and no faults but those that are asked for.
    pub fn still(users: u64) -> Self {
        Self::new(simulator::Config { users, change_rate: 0.0, ..simulator::Config::default() })
    }

    /// The user's token.
    pub fn token(&self, user: u64) -> String {
        self.simulator.token_of(user).unwrap()
    }

    /// A token file of these users.
    pub fn tokens_csv(&self, users: impl IntoIterator<Item = u64>) -> String {
        let rows = users.into_iter().map(|user| format!("{user},{}\n", self.token(user)));
        std::iter::once("user_id,token\n".to_owned()).chain(rows).collect()
    }
}

/// A working directory of its own for the binary, without any settings of this machine.
pub struct Place {
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
    arguments: Vec<&'static str>,
}

/// Settings of `passes` in a hurry.
const PASSES: &str = r#"
freshness = "1s"
freshness_slack = "0s"
retry_delay = "200ms"
retry_rounds = 1000
fetch_backoff_min = "5ms"
fetch_backoff_max = "50ms"
retry_after_max = "1s"
probe_backoff_min = "50ms"
probe_backoff_max = "200ms"
"#;

impl Place {
    /// With the pipelines of changes, ticks and passes; `passes` are settings that come on top or instead.
    pub fn new(bytemark_url: Option<&str>, passes: &str) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap(), environment: Vec::new(), arguments: Vec::new() };
        let mut settings: toml::Table = PASSES.parse().unwrap();
        settings.extend(passes.parse::<toml::Table>().unwrap());
        place.write("pipelines/passes.toml", &settings.to_string());
        place.write("pipelines/ticks.toml", "");
        place.write("pipelines/token_changes.toml", "");
        let state = place.path().join("state").display().to_string();
        place.with("PASSFLOW_DATA_DIR", &state).with("PASSFLOW_HTTP_ADDR", "off").with_url(bytemark_url)
    }

    fn with_url(self, url: Option<&str>) -> Self {
        match url {
            Some(url) => self.with("PASSFLOW_BYTEMARK_URL", url),
            None => self,
        }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Each command gets these arguments first.
    pub fn with_arguments(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passflow"));
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command
            .args(&self.arguments)
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran(self.command(args).output().unwrap())
    }

    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran(child.wait_with_output().unwrap())
    }

    /// Runs it in the background; what it prints goes to a file, in place of what the one before printed.
    pub fn start(&self, args: &[&str]) -> Process {
        self.start_logging(args, "log")
    }

    /// The same, with a log of its own.
    pub fn start_logging(&self, args: &[&str], log: &str) -> Process {
        let log = self.path().join(log);
        let file = File::create(&log).unwrap();
        let mut command = self.command(args);
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Process { child, log }
    }

    /// The records of a topic, as `replay` gives them.
    pub fn records(&self, topic: &str) -> Vec<Value> {
        self.run(&["replay", topic, "--format", "jsonl"]).exits(0).lines()
    }

    /// Their values.
    pub fn values(&self, topic: &str) -> Vec<Value> {
        let value = |record: Value| serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        self.records(topic).into_iter().map(value).collect()
    }

    /// All that is handled until the end; gives what it printed.
    #[track_caller]
    pub fn run_until_end(&self) -> Ran {
        self.run(&["run", "--until-end", "--until-end-timeout", "20s"]).exits(0)
    }

    /// What `show` knows.
    pub fn show(&self, user: u64) -> Value {
        let ran = self.run(&["show", &user.to_string(), "--output", "json"]);
        serde_json::from_str(&ran.stdout()).unwrap()
    }

    /// Whether the user's passes were fetched; a document may be there before, to fence off earlier writers.
    pub fn is_refreshed(&self, user: u64) -> bool {
        !self.show(user)["age_seconds"].is_null()
    }
}

/// A process in the background; it is killed when it goes out of scope.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// It stands still until it is thawed, and does not notice.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end_within(&mut self, bound: Duration) -> ExitStatus {
        let mut status = None;
        wait_within(bound, "the end of a process", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} had printed:\n{}", self.log.display(), fs::read_to_string(&self.log).unwrap_or_default());
        }
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Polls until it is so.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl FnMut() -> bool) {
    wait_within(Duration::from_secs(30), what, is_so);
}

#[track_caller]
pub fn wait_within(bound: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < bound, "waited {bound:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
