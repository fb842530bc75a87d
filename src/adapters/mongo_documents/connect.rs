//! The client of a MongoDB deployment.

use std::time::Duration;

use mongodb::{
    Client,
    options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern},
};

use super::failure::port_error;
use crate::ports::{Failure, PortError};

/// How the deployment is talked to.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Connections to a server, at most.
    pub connections_max: u32,
    /// Time to connect.
    pub connect_max: Duration,
    /// Time to find a primary: an election takes a few seconds.
    pub primary_max: Duration,
    /// An unused connection is closed after this time, before firewalls forget it.
    pub idle_max: Duration,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            connections_max: 20,
            connect_max: Duration::from_secs(5),
            primary_max: Duration::from_secs(8),
            idle_max: Duration::from_secs(120),
        }
    }
}

/// A client for the connection string `uri`. It connects when it is first used.
///
/// Read concern, write concern and read preference are passflow's own: an event must not go out on a write that an
/// election can take back.
///
/// # Errors
/// When the connection string can't be read. The message never holds its password.
pub async fn connect(uri: &str, connection: &Connection) -> Result<Client, PortError> {
    let refused = |error: mongodb::error::Error| {
        let message = format!("PASSFLOW_MONGODB_URI: {}", without_secrets(&error.kind.to_string(), uri));
        port_error(Failure::Refused, "setting up the connection to MongoDB".to_owned(), message)
    };
    let mut options = ClientOptions::parse(uri).await.map_err(refused)?;
    options.app_name.get_or_insert_with(|| "passflow".to_owned());
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(WriteConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.max_pool_size.get_or_insert(connection.connections_max);
    options.connect_timeout.get_or_insert(connection.connect_max);
    options.server_selection_timeout.get_or_insert(connection.primary_max);
    options.max_idle_time.get_or_insert(connection.idle_max);
    Client::with_options(options).map_err(refused)
}

/// `text` without what stands before the host in `uri`.
fn without_secrets(text: &str, uri: &str) -> String {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let Some((credentials, _)) = rest.rsplit_once('@') else { return text.to_owned() };
    let password = credentials.split_once(':').map_or("", |(_, password)| password);
    let mut text = text.replace(uri, "(hidden)").replace(credentials, "(hidden)");
    // The driver may have decoded it.
    if !password.is_empty() {
        text = text.replace(password, "(hidden)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bad_address_is_refused_without_its_password() {
        for uri in
            ["mongodb://user:hunter2@", "mongodb://user:hunter2@host:port", "mongodb://us:er:hunter2@host", "hunter2"]
        {
            let error = connect(uri, &Connection::default()).await.unwrap_err();
            assert_eq!(error.kind, Failure::Refused);
            assert!(uri == "hunter2" || !error.to_string().contains("hunter2"), "{error}");
        }
    }
}
