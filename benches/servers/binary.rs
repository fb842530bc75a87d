//! The binary as a process, and what it has used.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Clock ticks a second, as Linux shows them to every process (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// A process of passflow; killed when dropped.
pub struct Binary(Child);

impl Binary {
    pub fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("passflow"))
    }

    /// Until it ends well.
    pub fn wait(mut self) {
        let status = self.0.wait().expect("its end");
        assert!(status.success(), "{status}");
    }

    /// User and system time so far, to ten milliseconds.
    pub fn cpu(&self) -> Duration {
        cpu_of(&self.0.id().to_string())
    }

    /// `VmHWM`: the highest resident size so far, in MB.
    pub fn peak_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        let kib: u64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
        kib as f64 * 1024.0 / 1e6
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// User and system time of a process (`self`, or its number) so far.
pub fn cpu_of(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // The second field, in parentheses, may hold spaces; `utime` and `stime` are the 14th and 15th of all.
    let behind_name = stat.rsplit_once(')').expect("a process name").1;
    let ticks: u64 = behind_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}
