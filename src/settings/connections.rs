use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    kind::KindName,
    pipeline::Pipeline,
    problem::{Problem, Problems, all_or},
    secret::Secret,
    table::Table,
    variables::PREFIX,
};

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Servers instead of the embedded store.
    pub servers: Servers,
    /// The embedded state.
    pub data_dir: PathBuf,
    /// Base URL of the Bytemark API, without a slash at its end.
    pub bytemark_url: Option<String>,
    /// Where the console listens; `None` = nowhere.
    pub http_addr: Option<SocketAddr>,
    /// Nobody asked for that address.
    pub is_default_addr: bool,
    /// What API and console want to see.
    pub api_token: Option<Secret>,
}

/// Servers instead of the embedded store. URLs may hold passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    /// The topics.
    pub kafka: Option<Kafka>,
    /// The documents: a connection string.
    pub mongodb: Option<Secret>,
    /// The tokens: a URL.
    pub mysql: Option<Secret>,
}

/// A Kafka cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// Bootstrap servers.
    pub brokers: String,
    /// Properties for librdkafka, by name.
    pub properties: Vec<(String, Secret)>,
    /// Whether outputs and offsets are committed in transactions; without them each change is told at least once.
    pub transactions: bool,
}

impl Servers {
    /// Whether any is named: then nothing falls back to the embedded store.
    pub fn is_any(&self) -> bool {
        self.kafka.is_some() || self.mongodb.is_some() || self.mysql.is_some()
    }
}

/// Where the console listens, and what it wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpListener {
    /// The address.
    pub addr: SocketAddr,
    /// The bearer token; without one only loopback is served.
    pub token: Option<Secret>,
    /// Nobody asked for this address.
    pub is_default: bool,
}

const DEFAULT_DATA_DIR: &str = "./data";
const DEFAULT_HTTP_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Properties that exactly-once rests on; a prefix where it ends in a dot.
const FIXED_PROPERTIES: [&str; 8] = [
    "enable.auto.",
    "isolation.level",
    "partitioner",
    "group.protocol",
    "enable.idempotence",
    "transactional.id",
    "group.id",
    "bootstrap.servers",
];

impl Connections {
    /// Reads the file, if one is named, and the environment, which wins. An empty variable counts as unset.
    ///
    /// # Errors
    /// Every unknown key and bad value, with its place.
    pub fn load(file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let Some(file) = file else {
            return Self::parse("", "", environment);
        };
        let place = file.display().to_string();
        let text = fs::read_to_string(file)
            .map_err(|error| Problems::one(&place, format!("can't read the connections file: {error}")))?;
        Self::parse(&place, &text, environment)
    }

    fn parse(place: &str, text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut table = Table::parse(place, text)?;
        let mut problems = Vec::new();
        let mut value = |key: &'static str| Value::find(place, &mut table, key, &environment);
        let brokers = value("kafka_brokers");
        let mongodb = value("mongodb_uri");
        let mysql = value("mysql_url");
        let bytemark = value("bytemark_url");
        let data_dir = value("data_dir");
        let http_addr = value("http_addr");
        let api_token = value("api_token");
        let transactions = value("kafka_transactions");
        let transactions = transactions.is_none_or(|value| yes_or_no(&value, &mut problems));
        let properties = kafka_properties(place, &mut table, &mut problems);
        if brokers.is_none() && !properties.is_empty() {
            let message = "[kafka] has properties, but `kafka_brokers` (PASSFLOW_KAFKA_BROKERS) is not set".to_owned();
            problems.push(Problem { place: place.to_owned(), line: None, message });
        }
        let connections = Self {
            servers: Servers {
                kafka: brokers.map(|brokers| Kafka { brokers: brokers.text, properties, transactions }),
                mongodb: secret_url(mongodb, &["mongodb://", "mongodb+srv://"], &mut problems),
                mysql: secret_url(mysql, &["mysql://", "mariadb://"], &mut problems),
            },
            data_dir: data_dir.map_or_else(|| DEFAULT_DATA_DIR.into(), |value| value.text.into()),
            bytemark_url: bytemark.and_then(|value| base_url(&value, &mut problems)),
            is_default_addr: http_addr.is_none(),
            http_addr: http_addr.map_or(Some(DEFAULT_HTTP_ADDR), |value| address(&value, &mut problems)),
            api_token: api_token.map(|value| Secret::new(value.text)),
        };
        if let Err(found) = table.finish(()) {
            problems.extend(found.0);
        }
        all_or(connections, problems)
    }

    /// Where the console is to listen.
    ///
    /// # Errors
    /// When that is not loopback and there is no token.
    pub fn http_listener(&self) -> Result<Option<HttpListener>, Problems> {
        let Some(addr) = self.http_addr else { return Ok(None) };
        if self.api_token.is_none() && !addr.ip().is_loopback() {
            return Err(Problems::one(
                "PASSFLOW_HTTP_ADDR",
                format!(
                    "{addr} can be reached from other machines, so PASSFLOW_API_TOKEN must be set; or use 127.0.0.1:{}",
                    addr.port()
                ),
            ));
        }
        Ok(Some(HttpListener { addr, token: self.api_token.clone(), is_default: self.is_default_addr }))
    }

    /// Whether all that `pipelines` need is set. Once one server is set, nothing falls back to the embedded store.
    ///
    /// # Errors
    /// Names each part that is missing, and who needs it.
    pub fn check_parts(&self, pipelines: &[Pipeline]) -> Result<(), Problems> {
        use KindName::{ParkingEvents, Passes, Ticks};
        let Servers { kafka, mongodb, mysql } = &self.servers;
        let mut problems = Vec::new();
        let mut require = |variable: &str, what: &str, is_set: bool, kinds: &[KindName]| {
            let needed_by: Vec<&str> = pipelines
                .iter()
                .filter(|pipeline| kinds.is_empty() || kinds.contains(&pipeline.kind.name()))
                .map(|pipeline| pipeline.name.as_str())
                .collect();
            if !is_set && !needed_by.is_empty() {
                let message = format!("is not set, but {} need(s) {what}", needed_by.join(", "));
                problems.push(Problem { place: variable.to_owned(), line: None, message });
            }
        };
        require("PASSFLOW_BYTEMARK_URL", "the Bytemark API", self.bytemark_url.is_some(), &[Passes]);
        if self.servers.is_any() {
            require("PASSFLOW_KAFKA_BROKERS", "the topics", kafka.is_some(), &[]);
            require("PASSFLOW_MONGODB_URI", "the documents", mongodb.is_some(), &[Passes, Ticks, ParkingEvents]);
            require("PASSFLOW_MYSQL_URL", "the tokens", mysql.is_some(), &[Passes, Ticks]);
        }
        all_or((), problems)
    }
}

/// A text with its place.
struct Value {
    text: String,
    place: String,
    line: Option<usize>,
}

impl Value {
    fn find(
        place: &str,
        table: &mut Table<'_>,
        key: &'static str,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let in_file = table.secret_text(key);
        let variable = format!("{PREFIX}{}", key.to_ascii_uppercase());
        if let Some(text) = environment(&variable).filter(|text| !text.is_empty()) {
            return Some(Self { text, place: variable, line: None });
        }
        in_file.map(|(text, line)| Self { text, place: format!("{place} ({key})"), line: Some(line) })
    }

    fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { place: self.place.clone(), line: self.line, message: message.into() }
    }
}

fn yes_or_no(value: &Value, problems: &mut Vec<Problem>) -> bool {
    if !["true", "false"].contains(&value.text.as_str()) {
        problems.push(value.problem("it takes \"true\" or \"false\""));
    }
    value.text != "false"
}

fn kafka_properties(place: &str, table: &mut Table<'_>, problems: &mut Vec<Problem>) -> Vec<(String, Secret)> {
    let mut properties = Vec::new();
    for (name, text, line) in table.free_table("kafka") {
        let is_fixed = |fixed: &str| name == fixed || (fixed.ends_with('.') && name.starts_with(fixed));
        if FIXED_PROPERTIES.iter().any(|fixed| is_fixed(fixed)) {
            let message = format!("`{name}` can't be set: passflow's guarantees rest on its own value");
            problems.push(Problem { place: place.to_owned(), line: Some(line), message });
        } else {
            properties.push((name, Secret::new(text)));
        }
    }
    properties
}

fn secret_url(value: Option<Value>, schemes: &[&str], problems: &mut Vec<Problem>) -> Option<Secret> {
    let value = value?;
    if !schemes.iter().any(|scheme| value.text.starts_with(scheme)) {
        problems.push(value.problem(format!("the address must begin with {}", schemes.join(" or "))));
        return None;
    }
    Some(Secret::new(value.text))
}

fn base_url(value: &Value, problems: &mut Vec<Problem>) -> Option<String> {
    let url = value.text.trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_plain =
        |rest: &str| !rest.is_empty() && !rest.starts_with(['/', ':']) && !rest.contains(char::is_whitespace);
    let refusal = match rest {
        Some(rest) if rest.contains('@') => "the URL must not hold a user or password".to_owned(),
        Some(rest) if rest.contains(['?', '#']) => "the base URL takes no query and no fragment".to_owned(),
        Some(rest) if is_plain(rest) => match Url::parse(url) {
            Ok(_) => return Some(url.to_owned()),
            Err(error) => format!("this is no base URL ({error}): write it like https://api.example.com/v1"),
        },
        _ => "this is no base URL: write it like https://api.example.com/v1".to_owned(),
    };
    problems.push(value.problem(refusal));
    None
}

fn address(value: &Value, problems: &mut Vec<Problem>) -> Option<SocketAddr> {
    if value.text == "off" {
        return None;
    }
    let text = value.text.replace("localhost:", "127.0.0.1:");
    match text.parse() {
        Ok(addr) => Some(addr),
        Err(_) => {
            let message =
                format!("{:?} is no address: write it like 127.0.0.1:8080 or [::1]:8080, or off for none", value.text);
            problems.push(value.problem(message));
            None
        }
    }
}

#[cfg(test)]
mod tests;
