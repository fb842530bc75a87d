use super::*;
use crate::settings::{FOLDER, select_pipelines};

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Connections, String> {
    let find = |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Connections::parse("c.toml", text, find).map_err(|problems| problems.to_string())
}

fn check(connections: &Connections, names: &[&str]) -> Result<(), String> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pipelines = select_pipelines(&Path::new("/nonexistent").join(FOLDER), &names).unwrap();
    connections.check_parts(&pipelines).map_err(|problems| problems.to_string())
}

#[test]
fn nothing_set_is_the_embedded_store_on_loopback() {
    let connections = load("", &[]).unwrap();
    assert_eq!(connections.servers, Servers::default());
    assert_eq!(connections.data_dir, Path::new("./data"));
    assert_eq!(connections.http_listener().unwrap().unwrap().addr.to_string(), "127.0.0.1:8080");
}

#[test]
fn the_environment_wins_and_an_empty_variable_is_unset() {
    let text = "data_dir = \"file\"\nbytemark_url = \"http://file/\"\nhttp_addr = \"off\"\n";
    let connections = load(text, &[("PASSFLOW_DATA_DIR", "env"), ("PASSFLOW_BYTEMARK_URL", "")]).unwrap();
    assert_eq!(connections.data_dir, Path::new("env"));
    assert_eq!(connections.bytemark_url.as_deref(), Some("http://file"));
    assert_eq!(connections.http_listener(), Ok(None));
}

#[test]
fn problems_name_file_line_and_nearest_key() {
    let error = load("\nkafka_broker = \"x\"\nhttp_addr = 8080\nmongodb_uri = \"sekret@host\"\n", &[]).unwrap_err();
    assert!(error.contains("c.toml:2: unknown key `kafka_broker`; did you mean `kafka_brokers`?"), "{error}");
    assert!(error.contains("c.toml:3: `http_addr` takes a text in quotes"), "{error}");
    assert!(error.contains("c.toml (mongodb_uri):4: the address must begin with mongodb://"), "{error}");
    assert!(!error.contains("sekret"), "{error}");
}

#[test]
fn addresses_are_checked() {
    for (url, wrong) in [
        ("ftp://x", "no base URL"),
        ("https://", "no base URL"),
        ("http://[::1", "no base URL (invalid IPv6 address)"),
        ("http://host:99999", "no base URL (invalid port number)"),
        ("https://u:sekret@x", "must not hold a user"),
        ("https://x?a=b", "no query"),
    ] {
        let error = load("", &[("PASSFLOW_BYTEMARK_URL", url)]).unwrap_err();
        assert!(error.starts_with("PASSFLOW_BYTEMARK_URL: ") && error.contains(wrong), "{error}");
        assert!(!error.contains("sekret"), "{error}");
    }
    let error = load("", &[("PASSFLOW_HTTP_ADDR", "somewhere")]).unwrap_err();
    assert!(error.contains("\"somewhere\" is no address"), "{error}");
}

#[test]
fn an_open_address_wants_a_token() {
    let open = [("PASSFLOW_HTTP_ADDR", "0.0.0.0:80")];
    let error = load("", &open).unwrap().http_listener().unwrap_err().to_string();
    assert!(error.contains("PASSFLOW_API_TOKEN must be set"), "{error}");
    let connections = load("api_token = \"sekret\"", &open).unwrap();
    assert!(connections.http_listener().unwrap().unwrap().token.is_some());
    assert!(!format!("{connections:?}").contains("sekret"));
}

#[test]
fn kafka_properties_are_taken_except_those_the_guarantees_rest_on() {
    let text = "kafka_brokers = \"k:9092\"\n[kafka]\n\"sasl.password\" = \"sekret\"\n\"fetch.max.bytes\" = 100\n";
    let connections = load(text, &[]).unwrap();
    let kafka = connections.servers.kafka.clone().unwrap();
    assert_eq!(kafka.properties[0], ("fetch.max.bytes".to_owned(), Secret::new("100")));
    assert!(!format!("{connections:?}").contains("sekret"));
    for name in ["enable.auto.commit", "isolation.level", "partitioner", "transactional.id", "enable.idempotence"] {
        let error = load(&format!("kafka_brokers = \"k\"\n[kafka]\n\"{name}\" = \"x\"\n"), &[]).unwrap_err();
        assert!(error.contains(&format!("c.toml:3: `{name}` can't be set")), "{error}");
    }
    assert!(load("[kafka]\n\"fetch.max.bytes\" = 1\n", &[]).unwrap_err().contains("`kafka_brokers`"));
}

#[test]
fn what_the_pipelines_need_is_asked_for_by_name() {
    let embedded = load("", &[]).unwrap();
    assert_eq!(check(&embedded, &["ticks", "token_changes", "parking_events"]), Ok(()));
    let error = check(&embedded, &[]).unwrap_err();
    assert_eq!(error, "PASSFLOW_BYTEMARK_URL: is not set, but passes need(s) the Bytemark API");
    let kafka = load("kafka_brokers = \"k\"", &[]).unwrap();
    assert_eq!(check(&kafka, &["token_changes"]), Ok(()));
    let error = check(&kafka, &["ticks", "parking_events"]).unwrap_err();
    assert!(error.contains("PASSFLOW_MONGODB_URI: is not set, but ticks, parking_events need(s) the documents"));
    assert!(error.contains("PASSFLOW_MYSQL_URL: is not set, but ticks need(s) the tokens"), "{error}");
    let mongodb = load("mongodb_uri = \"mongodb://m\"", &[]).unwrap();
    assert!(check(&mongodb, &["parking_events"]).unwrap_err().contains("PASSFLOW_KAFKA_BROKERS: is not set"));
}
