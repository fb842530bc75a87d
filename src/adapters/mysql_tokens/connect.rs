//! The pool of connections.

use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, MySqlPool,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use super::Settings;

/// A pool that connects when it is first used.
pub(super) fn pool(url: &str, settings: &Settings) -> Result<MySqlPool, String> {
    let options = MySqlConnectOptions::from_str(url).map_err(|error| error.to_string())?;
    // A statement's text in the log says nothing that its place in the code does not.
    let options = options.disable_statement_logging();
    let (statement_max, lifetime_max) = (settings.statement_max, settings.lifetime_max);
    let pool = MySqlPoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.connect_max)
        .idle_timeout(settings.idle_max)
        .max_lifetime(lifetime_max)
        // Proxies and firewalls close connections without a word.
        .test_before_acquire(true)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let version: String = sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut *connection).await?;
                for statement in session(&version, statement_max, lifetime_max) {
                    connection.execute(AssertSqlSafe(statement)).await?;
                }
                Ok(())
            })
        });
    Ok(pool.connect_lazy_with(options))
}

/// What a session begins with: a statement whose caller is gone ends by itself, the server keeps the connection longer
/// than the pool does, and reads see what was committed last.
fn session(version: &str, statement_max: Duration, lifetime_max: Duration) -> [String; 3] {
    let limit = if version.contains("MariaDB") {
        format!("SET SESSION max_statement_time = {}", statement_max.as_secs_f64())
    } else {
        format!("SET SESSION max_execution_time = {}", statement_max.as_millis())
    };
    let keep = format!("SET SESSION wait_timeout = {}", lifetime_max.as_secs().saturating_mul(2).clamp(60, 31_536_000));
    [limit, keep, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_its_own_limit_of_a_statement() {
        let of = |version| session(version, Duration::from_millis(1_500), Duration::from_secs(600));
        assert_eq!(of("10.11.6-MariaDB-0+deb12u1")[0], "SET SESSION max_statement_time = 1.5");
        assert_eq!(of("8.0.36")[0], "SET SESSION max_execution_time = 1500");
        assert_eq!(of("8.0.36")[1], "SET SESSION wait_timeout = 1200");
    }

    #[tokio::test]
    async fn a_bad_url_is_refused_without_its_password() {
        for url in ["mysql://user:hunter2@host:port/db", "mysql://user:hunter2@", "hunter2"] {
            if let Err(error) = pool(url, &Settings::default()) {
                assert!(!error.contains("hunter2"), "{error}");
            }
        }
        assert!(pool("mysql://user:hunter2@host:port/db", &Settings::default()).is_err());
    }
}
