//! Sorted times.

/// Milliseconds, ascending.
pub struct Latencies(Vec<f64>);

impl Latencies {
    pub fn new(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        Self(ms)
    }

    /// The time that `share` (0 to 1) of all stay within.
    pub fn at(&self, share: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the length")]
        let place = ((self.0.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    pub fn print(&self, name: &str) {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| self.at(share));
        println!("{name:34} p50 {p50:>7.1} ms  p90 {p90:>7.1}  p99 {p99:>7.1}  max {max:>7.1}  of {}", self.0.len());
    }
}
