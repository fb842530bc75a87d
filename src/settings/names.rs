use super::{kind::Kind, pipeline::Pipeline, select::BUILT_IN};

/// Topics, documents and tokens by what they are for, as the pipelines name them; the default name where no pipeline is
/// of that kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Changes of the token table.
    pub token_changes: String,
    /// Ticks.
    pub ticks: String,
    /// Requests.
    pub requests: String,
    /// Requests that wait for another round.
    pub retry: String,
    /// `ParkMobile` responses.
    pub parking: String,
    /// Events.
    pub ticket_changed: String,
    /// Records that could not be handled.
    pub dead_letters: String,
    /// The token table.
    pub token_table: String,
    /// Its column of user ids.
    pub user_id_column: String,
    /// Its column of tokens: its values are secret.
    pub token_column: String,
    /// The database of the documents.
    pub cache_database: String,
    /// The collection of the cache documents.
    pub cache_collection: String,
    /// The collection of events' log entries.
    pub tickets_log: String,
    /// The collection of status checks' log entries.
    pub status_log: String,
    /// The database of the parking events.
    pub parking_database: String,
    /// Their collection.
    pub parking_collection: String,
}

impl Names {
    /// The names that `pipelines` use; of several pipelines of one kind the first counts.
    pub fn of(pipelines: &[Pipeline]) -> Self {
        let built_in: Vec<Pipeline> =
            BUILT_IN.iter().filter_map(|(place, _)| Pipeline::parse(place, "").ok()).collect();
        let mut names = Self::default();
        // The last to write wins.
        for pipeline in built_in.iter().chain(pipelines.iter().rev()) {
            names.take(pipeline);
        }
        names
    }

    /// The topic that tells which dead letters were dealt with.
    pub fn dead_letter_state(&self) -> String {
        format!("{}.state", self.dead_letters)
    }

    fn take(&mut self, pipeline: &Pipeline) {
        self.dead_letters.clone_from(&pipeline.engine.dead_letter_topic);
        match &pipeline.kind {
            Kind::TokenChanges(settings) => {
                self.token_changes.clone_from(&settings.topic);
                self.token_table.clone_from(&settings.table);
                self.user_id_column.clone_from(&settings.user_id_column);
                self.token_column.clone_from(&settings.token_column);
            }
            Kind::Ticks(settings) => self.ticks.clone_from(&settings.topic),
            Kind::Passes(settings) => {
                self.requests.clone_from(&settings.topic);
                self.retry.clone_from(&settings.retry_topic);
                self.ticket_changed.clone_from(&settings.ticket_changed_topic);
                self.cache_database.clone_from(&settings.collections.database);
                self.cache_collection.clone_from(&settings.collections.cache);
                self.tickets_log.clone_from(&settings.collections.tickets_log);
                self.status_log.clone_from(&settings.collections.status_log);
            }
            Kind::ParkingEvents(settings) => {
                self.parking.clone_from(&settings.topic);
                self.parking_database.clone_from(&settings.database);
                self.parking_collection.clone_from(&settings.collection);
            }
        }
    }
}
