//! How long what the pipelines store is kept.

use std::time::Duration;

use crate::{
    adapters::mongo_documents::Index,
    settings::{Kind, Pipeline},
};

/// What of the documents is deleted by age.
#[derive(Clone, Debug, Default)]
pub(super) struct Retention {
    /// Collections of a server, with the indexes that delete and serve them.
    pub(super) kept: Vec<Kept>,
    /// The embedded parking events; none when they are kept for ever.
    pub(super) parking: Option<Duration>,
    /// The embedded logs of events and status checks; none when they are kept for ever.
    pub(super) logs: Option<Duration>,
}

/// A collection with its indexes.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Its database.
    pub(super) database: String,
    /// Its name.
    pub(super) collection: String,
    /// Those that it is to have.
    pub(super) indexes: Vec<Index>,
}

impl Retention {
    /// What `pipelines`, which run here, say of it.
    pub(super) fn of(pipelines: &[Pipeline]) -> Self {
        let mut retention = Self::default();
        for pipeline in pipelines {
            match &pipeline.kind {
                Kind::ParkingEvents(settings) => {
                    retention.parking = Some(settings.ttl).filter(|ttl| !ttl.is_zero());
                    let indexes =
                        vec![Index::on(&["card", "createdAt"]), Index::expiring(&["createdAt"], settings.ttl)];
                    retention.keep(&settings.database, &settings.collection, indexes);
                }
                Kind::Passes(settings) => {
                    retention.logs = Some(settings.log_ttl).filter(|ttl| !ttl.is_zero());
                    let (collections, ttl) = (&settings.collections, settings.log_ttl);
                    let indexes = vec![Index::on(&["user_id", "created_at"]), Index::expiring(&["created_at"], ttl)];
                    retention.keep(&collections.database, &collections.tickets_log, indexes);
                    let indexes = vec![Index::on_and_expiring(&["timestamp"], ttl)];
                    retention.keep(&collections.database, &collections.status_log, indexes);
                }
                Kind::TokenChanges(_) | Kind::Ticks(_) => {}
            }
        }
        retention
    }

    fn keep(&mut self, database: &str, collection: &str, indexes: Vec<Index>) {
        self.kept.push(Kept { database: database.to_owned(), collection: collection.to_owned(), indexes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(place: &str, text: &str) -> Retention {
        Retention::of(&[Pipeline::parse(place, text).unwrap()])
    }

    fn places(retention: &Retention) -> Vec<String> {
        retention.kept.iter().map(|kept| format!("{}.{}", kept.database, kept.collection)).collect()
    }

    #[test]
    fn only_what_the_pipelines_here_store_is_looked_after() {
        let parking = of("parking_events.toml", "database = \"d\"\nttl = \"30d\"\n");
        assert_eq!(places(&parking), ["d.pm_parking_events"]);
        assert_eq!(parking.parking, Some(Duration::from_hours(30 * 24)));
        assert_eq!(of("parking_events.toml", "ttl = \"0s\"\n").parking, None);
        let passes = of("passes.toml", "cache_database = \"c\"\n");
        assert_eq!(places(&passes), ["c.bytemark_tickets_log", "c.bytemark_cache_status_check_log"]);
        assert_eq!((passes.parking, places(&of("ticks.toml", "")).len()), (None, 0));
    }
}
