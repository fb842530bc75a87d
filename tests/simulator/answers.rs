//! Asking a simulator in process, for tests.

use jiff::Timestamp;
use passflow::simulator::answer::{Answer, Request};
use passflow::simulator::{Config, Endpoint, Pass, Simulator};
use serde_json::Value;

pub fn stepped(config: Config, steps: i64) -> Simulator {
    let start_ms = config.start.as_millisecond();
    let simulator = Simulator::new(config);
    for step in 1..=steps {
        simulator.step(Timestamp::from_millisecond(start_ms + step * 1_000).unwrap());
    }
    simulator
}

pub fn ask(simulator: &Simulator, user: u64, endpoint: Endpoint, page: usize, per_page: usize) -> Answer {
    let per_page = if endpoint == Endpoint::Active { 9999 } else { per_page };
    simulator.answer(Request { endpoint, token: simulator.token_of(user), per_page: Some(per_page), page })
}

/// `JSON.parse`, with every number as JavaScript has it.
pub fn parsed(body: &[u8]) -> Value {
    fn as_floats(value: &mut Value) {
        match value {
            Value::Number(number) => *value = number.as_f64().into(),
            Value::Array(items) => items.iter_mut().for_each(as_floats),
            Value::Object(members) => members.values_mut().for_each(as_floats),
            _ => {}
        }
    }
    let text = std::str::from_utf8(body).unwrap();
    let mut value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    as_floats(&mut value);
    value
}

pub fn passes_in(answer: &Answer) -> Vec<Value> {
    parsed(&answer.body)["data"]["passes"].as_array().unwrap().clone()
}

pub fn values(passes: &[Pass]) -> Vec<Value> {
    passes.iter().map(|pass| parsed(pass.text.as_bytes())).collect()
}
