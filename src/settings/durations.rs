use std::time::Duration;

pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

pub(super) const fn hours(count: u64) -> Duration {
    minutes(60 * count)
}

pub(super) const fn days(count: u64) -> Duration {
    hours(24 * count)
}

/// 32 MiB is `mebibytes(32)`.
pub(super) const fn mebibytes(count: u64) -> u64 {
    count << 20
}
