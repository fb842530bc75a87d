//! The `passes` pipeline over requests that find nothing new, beside the bare loop.

use std::time::{Duration, Instant};

use passflow::domain::{record::Output, request::PassRequest};

use crate::{
    api_process::ApiProcess,
    bare,
    ground::{Ground, user_id},
};

/// What a way of refreshing took.
pub struct Measured {
    pub users: u64,
    pub cpu: Duration,
    pub wall: Duration,
}

impl Measured {
    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.users as f64
    }

    fn per_second(&self) -> f64 {
        self.users as f64 / self.wall.as_secs_f64()
    }

    fn print(&self, name: &str) {
        println!("{name:12} {:>8.1} us CPU a user {:>9.0} users/s", self.cpu_us(), self.per_second());
    }
}

/// Refreshes all users four times. The first time finds everything new, the second clears away what the first kept of its
/// events; the bare loop runs between the third and the fourth, which are both measured.
pub fn measure(users: u64) {
    let api = ApiProcess::start(users);
    let ground = Ground::new(&api.base_url, "");
    let rows: Vec<_> = (1..=users).map(|user| (user, api.simulator.token_of(user).expect("a token"))).collect();
    ground.runtime.block_on(ground.insert(&rows));
    let run = ground.binary(&["run", "passes"]);
    let pass = || {
        let (cpu, begin) = (run.cpu(), Instant::now());
        ground.runtime.block_on(async {
            request_all(&ground, users).await;
            ground.handled().await;
        });
        Measured { users, cpu: run.cpu().saturating_sub(cpu), wall: begin.elapsed() }
    };
    pass().print("all new");
    pass();
    let before = pass();
    before.print("passflow");
    let bare = bare::measure(&ground, &api, users);
    bare.print("bare loop");
    let after = pass();
    after.print("passflow");
    println!("memory       {:>8.1} MB at most", run.peak_mb());
    let own_cpu = f64::midpoint(before.cpu_us(), after.cpu_us());
    let own_rate = f64::midpoint(before.per_second(), after.per_second());
    println!("CPU ratio    {:>8.2} (target: at most 2.0)", own_cpu / bare.cpu_us());
    println!("rate ratio   {:>8.2} (target: at least 0.6)", own_rate / bare.per_second());
    drop(run);
    ground.remove();
}

async fn request_all(ground: &Ground, users: u64) {
    for first in (1..=users).step_by(5000) {
        let requests = (first..=users.min(first + 4999)).map(|user| Output {
            topic: ground.names.requests.as_str().into(),
            key: Some(user.to_string().into()),
            value: Some(PassRequest::new(user_id(user)).encode().into()),
            headers: Vec::new(),
        });
        ground.store.topics.append(requests.collect()).await.expect("requests put");
    }
}
