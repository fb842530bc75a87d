//! Topics, table and database of a measurement's own on the real servers.

use std::{path::Path, process::Command, time::Duration};

use passflow::{
    domain::user_id::UserId,
    settings::{Connections, Names, all_pipelines},
    wiring::{self, Store},
};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    config::ClientConfig,
};
use sqlx::{AssertSqlSafe, MySqlPool};
use tokio::runtime::Runtime;

use crate::binary::Binary;

pub fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: `scripts/servers up`, `eval \"$(scripts/servers env)\"`"))
}

/// What a measurement works on.
pub struct Ground {
    pub id: String,
    pub runtime: Runtime,
    pub store: Store,
    pub names: Names,
    pub pool: MySqlPool,
    pub table: String,
    pub environment: Vec<(&'static str, String)>,
    pub dir: tempfile::TempDir,
}

impl Ground {
    /// Empty topics, an empty table, no documents. `ticks` are further settings of that pipeline.
    pub fn new(bytemark_url: &str, ticks: &str) -> Self {
        let id = format!("b{:08x}", fastrand::u32(..));
        let dir = tempfile::tempdir().expect("a folder");
        write_pipelines(dir.path(), &id, ticks);
        let environment = vec![
            ("PASSFLOW_KAFKA_BROKERS", server("PASSFLOW_TEST_KAFKA")),
            ("PASSFLOW_MONGODB_URI", server("PASSFLOW_TEST_MONGODB")),
            ("PASSFLOW_MYSQL_URL", server("PASSFLOW_TEST_MYSQL")),
            ("PASSFLOW_BYTEMARK_URL", bytemark_url.to_owned()),
            ("PASSFLOW_HTTP_ADDR", std::env::var("PASSFLOW_HTTP_ADDR").unwrap_or_else(|_| "off".to_owned())),
            ("RUST_LOG", "warn".to_owned()),
        ];
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let names = Names::of(&all_pipelines(&dir.path().join("pipelines")).expect("pipelines"));
        let table = format!("{id}_tokens");
        let (store, pool) = runtime.block_on(async {
            let of_name = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, it)| it.clone());
            let connections = Connections::load(None, of_name).expect("settings");
            let store = wiring::open_store(&connections, &names).await.expect("a store");
            let pool = MySqlPool::connect(&server("PASSFLOW_TEST_MYSQL")).await.expect("MariaDB");
            let create = format!(
                "CREATE TABLE {table} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, user_id BIGINT UNSIGNED NOT \
                 NULL, token VARCHAR(255), KEY (user_id))"
            );
            sqlx::query(AssertSqlSafe(create)).execute(&pool).await.expect("a table");
            (store, pool)
        });
        let ground = Self { id, runtime, store, names, pool, table, environment, dir };
        ground.binary(&["topics", "create"]).wait();
        ground
    }

    /// Starts the binary.
    pub fn binary(&self, arguments: &[&str]) -> Binary {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passflow"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Binary::start(command)
    }

    /// Inserts rows; nobody tells passflow of them unless Debezium does.
    pub async fn insert(&self, rows: &[(u64, String)]) {
        for page in rows.chunks(5000) {
            let values = vec!["(?,?)"; page.len()].join(",");
            let insert = format!("INSERT INTO {} (user_id, token) VALUES {values}", self.table);
            let mut insert = sqlx::query(AssertSqlSafe(insert));
            for (user, token) in page {
                insert = insert.bind(*user).bind(token);
            }
            insert.execute(&self.pool).await.expect("rows inserted");
        }
    }

    /// Has Debezium put the table's changes on the topic.
    pub fn follow_the_table(&self) {
        let status = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers"))
            .args([
                "connector",
                &format!("name={}", self.id),
                &format!("topic.prefix={}", self.id),
                &format!("database.server.id={}", fastrand::u32(1_000_000..2_000_000_000)),
                &format!("table.include.list=portal.{}", self.table),
                &format!("schema.history.internal.kafka.topic={}.history", self.id),
            ])
            .status();
        assert!(status.expect("scripts/servers").success(), "a connector");
    }

    /// Waits until the group has handled all of the requests.
    pub async fn handled(&self) {
        let (group, topic) = (format!("{}.passes", self.id), self.names.requests.as_str().into());
        while self.store.topics.backlog(&group, &topic).await.expect("a backlog") > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes away what would outlive the measurement.
    pub fn remove(self) {
        let Self { runtime, names, pool, table, .. } = self;
        runtime.block_on(async {
            sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}"))).execute(&pool).await.expect("no table");
            let mongo = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.expect("MongoDB");
            mongo.database(&names.cache_database).drop().await.expect("no database");
            let admin: AdminClient<DefaultClientContext> = kafka_config().create().expect("Kafka");
            let state = names.dead_letter_state();
            let topics = [
                &names.token_changes,
                &names.ticks,
                &names.requests,
                &names.retry,
                &names.ticket_changed,
                &names.dead_letters,
                &state,
            ];
            admin.delete_topics(&topics.map(String::as_str), &AdminOptions::new()).await.expect("no topics");
        });
    }
}

pub fn kafka_config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA"));
    config
}

pub fn user_id(user: u64) -> UserId {
    UserId::new(user.cast_signed()).expect("a user id")
}

fn write_pipelines(dir: &Path, id: &str, ticks: &str) {
    let folder = dir.join("pipelines");
    std::fs::create_dir(&folder).expect("a folder");
    let dead = format!("dead_letter_topic = \"{id}.dead\"\n");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), dead.clone() + &text).expect("a pipeline");
    write(
        "passes.toml",
        format!(
            "group = \"{id}.passes\"\ntopic = \"{id}.requests\"\nretry_topic = \"{id}.retry\"\n\
             ticket_changed_topic = \"{id}.changed\"\ncache_database = \"{id}\"\n{}",
            std::env::var("BENCH_PASSES").unwrap_or_default()
        ),
    );
    write(
        "ticks.toml",
        format!(
            "group = \"{id}.ticks\"\ntopic = \"{id}.ticks\"\nrequests_topic = \"{id}.requests\"\n\
             requests_group = \"{id}.passes\"\n{ticks}\n"
        ),
    );
    write(
        "token_changes.toml",
        format!(
            "group = \"{id}.changes\"\ntopic = \"{id}.portal.{id}_tokens\"\nrequests_topic = \"{id}.requests\"\n\
             table = \"{id}_tokens\"\n"
        ),
    );
}
