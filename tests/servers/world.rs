//! Topics, database and table of a test's own on the real servers.

use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc};

use passflow::{
    domain::{token::Token, user_id::UserId},
    settings::{Connections, Names, all_pipelines},
    wiring::{
        self, Store,
        oracle::{Truth, users_up_to},
    },
};
use rdkafka::{
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    config::ClientConfig,
};
use sqlx::MySqlPool;

use super::{
    process::{Bytemark, Place},
    table::Table,
};

/// The address of a real server.
pub fn server(variable: &str) -> String {
    std::env::var(variable).ok().filter(|address| !address.is_empty()).unwrap_or_else(|| {
        panic!(
            "{variable} is not set: `scripts/servers up`, then `eval \"$(scripts/servers env)\"`, or use scripts/test"
        )
    })
}

/// Has `scripts/servers` do something to the set that `PASSFLOW_SERVERS_DIR` names.
pub fn servers(arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new(root.join("scripts/servers")).args(arguments).status().unwrap();
    assert!(status.success(), "scripts/servers {} failed; were they started by it?", arguments.join(" "));
}

/// A place for the binary, set up for the servers; and what a test sees of them.
pub struct World {
    pub place: Place,
    pub store: Store,
    pub names: Names,
    pub groups: Vec<String>,
    pub bytemark: Bytemark,
    table: Arc<Table>,
}

/// Members that died are given up soon, and partitions that are added are seen soon.
const KAFKA: &str = r#"
[kafka]
"session.timeout.ms" = "2500"
"heartbeat.interval.ms" = "400"
"topic.metadata.refresh.interval.ms" = "1000"
"#;

impl World {
    /// Empty topics, no documents, an empty table. `passes` are further settings of that pipeline.
    pub fn new(bytemark: Bytemark, passes: &str) -> Self {
        let id = format!("t{:08x}", fastrand::u32(..));
        let place = place(&id, &bytemark, passes);
        place.run(&["topics", "create"]).exits(0);
        let pipelines = all_pipelines(&place.path().join("pipelines")).unwrap();
        let names = Names::of(&pipelines);
        let groups = pipelines.into_iter().map(|pipeline| pipeline.group).collect();
        let (store, table) = bytemark.runtime.block_on(async {
            let connections = Connections::load(None, environment).unwrap();
            let store = wiring::open_store(&connections, &names).await.unwrap();
            let pool = MySqlPool::connect(&server("PASSFLOW_TEST_MYSQL")).await.unwrap();
            let topics = Arc::clone(&store.topics);
            let table = Table { pool, name: names.token_table.clone(), topics, cdc_topic: names.token_changes.clone() };
            table.make().await;
            let table = Arc::new(table);
            (Store { token_admin: Arc::clone(&table) as _, ..store }, table)
        });
        Self { place, store, names, groups, bytemark, table }
    }

    /// Puts the tokens of the users `1..=users`, and their changes.
    pub fn put_tokens(&self, users: u64) {
        let token = |user: UserId| Token::new(self.bytemark.token(user.get().cast_unsigned()));
        let rows = users_up_to(users).map(|user| (user, token(user))).collect();
        self.bytemark.runtime.block_on(self.store.token_admin.put(rows)).unwrap();
    }

    /// Writes a row of the table and tells nobody.
    pub fn write_row(&self, user: UserId, token: Option<&str>) {
        self.bytemark.runtime.block_on(self.table.write(user, token));
    }

    /// Deletes the user's rows and tells nobody.
    pub fn delete_rows(&self, user: UserId) {
        self.bytemark.runtime.block_on(self.table.delete_rows(user));
    }

    /// How cache and events differ from the simulator's truth; also when a server does not answer.
    pub fn differences(&self, users: u64) -> Vec<String> {
        let truth = Truth { store: &self.store, simulator: &self.bytemark.simulator, names: &self.names, users };
        let verdict = self.bytemark.runtime.block_on(truth.verdict(BTreeMap::new()));
        verdict.map_or_else(|error| vec![error.to_string()], |verdict| verdict.differences)
    }

    /// Has Debezium put the changes of the table on the topic, with these further settings.
    pub fn follow_the_table(&self, further: &[&str]) {
        let _connect = server("PASSFLOW_TEST_CONNECT");
        let id = &self.names.cache_database;
        let table = &self.names.token_table;
        let settings = [
            format!("name={id}"),
            format!("topic.prefix={id}"),
            format!("database.server.id={}", fastrand::u32(1_000_000..2_000_000_000)),
            format!("table.include.list=portal.{table}"),
            format!("schema.history.internal.kafka.topic={id}.history"),
        ];
        let settings = settings.iter().map(String::as_str).chain(further.iter().copied());
        servers(&std::iter::once("connector").chain(settings).collect::<Vec<_>>());
    }

    /// Has Debezium follow the table no more, and takes away what it left.
    pub fn unfollow_the_table(&self) {
        let id = &self.names.cache_database;
        servers(&["disconnect", id]);
        self.delete_topic(&format!("{id}.history"));
    }

    pub fn delete_topic(&self, topic: &str) {
        let names = [topic];
        let (admin, options) = (admin_of_topics(), AdminOptions::new());
        self.bytemark.runtime.block_on(admin.delete_topics(&names, &options)).unwrap().remove(0).unwrap();
    }

    /// Takes away what would outlive the test.
    pub fn remove(self) {
        let Self { names, bytemark, table, .. } = self;
        bytemark.runtime.block_on(async {
            table.remove().await;
            let mongo = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.unwrap();
            mongo.database(&names.cache_database).drop().await.unwrap();
            let admin = admin_of_topics();
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
            admin.delete_topics(&topics.map(String::as_str), &AdminOptions::new()).await.unwrap();
        });
    }
}

/// Makes, changes and deletes topics.
pub fn admin_of_topics() -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA"));
    config.create().unwrap()
}

/// Passflow's variables, from those of the tests.
fn environment(name: &str) -> Option<String> {
    let server = server(match name {
        "PASSFLOW_KAFKA_BROKERS" => "PASSFLOW_TEST_KAFKA",
        "PASSFLOW_MONGODB_URI" => "PASSFLOW_TEST_MONGODB",
        "PASSFLOW_MYSQL_URL" => "PASSFLOW_TEST_MYSQL",
        _ => return None,
    });
    Some(server)
}

fn place(id: &str, bytemark: &Bytemark, passes: &str) -> Place {
    let passes = format!(
        "{passes}\ngroup = \"{id}.passes\"\ntopic = \"{id}.requests\"\nretry_topic = \"{id}.retry\"\n\
         ticket_changed_topic = \"{id}.changed\"\ndead_letter_topic = \"{id}.dead\"\ncache_database = \"{id}\"\n"
    );
    let mut place = Place::new(Some(&bytemark.url), &passes).with_arguments(&["--connections", "connections.toml"]);
    let dead = format!("dead_letter_topic = \"{id}.dead\"\nprobe_backoff_max = \"1s\"\n");
    let ticks = format!(
        "{dead}group = \"{id}.ticks\"\ntopic = \"{id}.ticks\"\nrequests_topic = \"{id}.requests\"\nrequests_group = \"{id}.passes\"\n"
    );
    place.write("pipelines/ticks.toml", &ticks);
    let changes = format!(
        "{dead}group = \"{id}.changes\"\ntopic = \"{id}.portal.{id}_tokens\"\nrequests_topic = \"{id}.requests\"\ntable = \"{id}_tokens\"\n"
    );
    place.write("pipelines/token_changes.toml", &changes);
    place.write("connections.toml", KAFKA);
    for name in ["PASSFLOW_KAFKA_BROKERS", "PASSFLOW_MONGODB_URI", "PASSFLOW_MYSQL_URL"] {
        place = place.with(name, &environment(name).unwrap());
    }
    place
}
