//! How the scenario watches its processes.

use passflow::engine::progress::Progress;

use super::process::Process;

impl Process {
    /// How many partitions it holds, if each is handled to its end and it waits for none.
    pub fn settled_partitions(&self) -> Option<usize> {
        let mut count = 0;
        for snapshot in self.progress.iter().map(Progress::snapshot) {
            if !snapshot.partitions.is_empty() && !snapshot.is_settled() || snapshot.taking > 0 {
                return None;
            }
            count += snapshot.partitions.len();
        }
        Some(count)
    }

    /// Fails loudly when an engine has ended by itself.
    pub fn assert_running(&mut self) {
        if let Some(ended) = self.engines.try_join_next() {
            panic!("an engine ended by itself: {ended:?}");
        }
    }
}
