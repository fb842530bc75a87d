//! The JSON text of a generated pass, with every documented field.

use std::fmt::Display;

use fastrand::Rng;
use jiff::Timestamp;

use super::dice::{mix, purpose};
use super::json_text::{Object, array};
use super::pass::{Generated, MINUTE_MS, Status, uuid_text};

/// In which order members are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// As `JSON.stringify` writes them.
    Canonical,
    /// As a careless server does: array indices descending, and a key twice (the last value counts, in the first place).
    Careless,
}

/// How a user's answers write times; no document says, so all three kinds occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeStyle {
    Rfc3339,
    Sql,
    SqlFraction,
    EpochSeconds,
}

impl TimeStyle {
    /// The habit of this user's answers.
    pub fn of(seed: u64, user: u64) -> Self {
        match mix(&[seed, purpose::HABIT, user]) % 8 {
            0 => Self::Sql,
            1 => Self::SqlFraction,
            2 => Self::EpochSeconds,
            _ => Self::Rfc3339,
        }
    }

    fn json(self, time_ms: i64) -> String {
        let time = Timestamp::from_millisecond(time_ms).unwrap_or_default();
        let format = match self {
            Self::Rfc3339 => "\"%Y-%m-%dT%H:%M:%SZ\"",
            Self::Sql => "\"%Y-%m-%d %H:%M:%S\"",
            Self::SqlFraction => "\"%Y-%m-%d %H:%M:%S%.6f\"",
            Self::EpochSeconds => "%s",
        };
        time.strftime(format).to_string()
    }

    fn maybe(self, time_ms: Option<i64>) -> String {
        time_ms.map_or_else(|| "null".to_owned(), |time_ms| self.json(time_ms))
    }
}

impl Generated {
    /// The pass's JSON text.
    pub fn text(&self, keys: Keys) -> String {
        let times = TimeStyle::of(self.seed, self.user);
        let mut constants = self.constants();
        let object = self.identity(Object::with_capacity(1_600), times, &mut constants);
        let object = self.purchase(object, times, &mut constants);
        let object = self.labels(object, keys, &mut constants);
        self.payload(object, times, keys).end()
    }

    fn identity(&self, object: Object, times: TimeStyle, constants: &mut Rng) -> Object {
        let rule = Object::new()
            .text("at_timezone", "America/Chicago")
            .null("at_year")
            .null("at_month")
            .null("at_day")
            .null("at_hour")
            .null("at_minute")
            .null("at_second")
            .text("after_unit", "minute")
            .json("after_value", self.product().valid_min)
            .end();
        object
            .text("uuid", &self.uuid())
            .text("status", self.status.name())
            .json("expiration", times.maybe(self.expiration_ms))
            .json("expiration_rule", rule)
            .json("first_use", times.maybe(self.first_use_ms))
            .json("allowed_uses", self.product().allowed_uses)
            .json("uses_count", self.uses)
            .json("local_uses", 0)
            .text("serial", &format!("{:010}", constants.u64(0..10_000_000_000)))
            .text("token", &format!("{:016x}", constants.u64(..)))
    }

    fn purchase(&self, object: Object, times: TimeStyle, constants: &mut Rng) -> Object {
        let item = Object::new()
            .text("uuid", &random_uuid(constants))
            .json("price", self.product().price)
            .json("quantity", 1)
            .end();
        let event_rule = Object::new().text("after_unit", "minute").json("after_value", 150).end();
        let event = Object::new()
            .text("event_uuid", &random_uuid(constants))
            .null("duration_expiration")
            .json("duration_rule", event_rule)
            .json("weight", f64::from(constants.u8(0..8)) / 8.0)
            .end();
        let customer = Object::new().text("uuid", &random_uuid(constants)).end();
        object
            .json("time_created", times.json(self.created_ms))
            .json("time_modified", times.json(self.modified_ms))
            .json("order_time_purchased", times.json(self.created_ms))
            .json("order_item", item)
            .json("pass_events", array([event]))
            .json("issuer", r#"{"name":"Metro","user_id":1e+21}"#)
            .json("customer", customer)
    }

    fn labels(&self, object: Object, keys: Keys, constants: &mut Rng) -> Object {
        let product = self.product();
        let zones = [("1", constants.u32(1..9)), ("10", constants.u32(1..9))];
        let config = Object::new();
        let config = match keys {
            Keys::Canonical => zones.iter().fold(config, zone).text("theme", "#0a5"),
            Keys::Careless => zones.iter().rev().fold(config.text("theme", "#0a5"), zone),
        };
        let label = match keys {
            Keys::Canonical => product.label,
            Keys::Careless => "",
        };
        object
            .text("product_uuid", product.uuid)
            .text("label_name", label)
            .text("label_short_name", product.short_label)
            .json("product_config", config.end())
            .json("activation_restrictions", "[]")
            .json("filter_attributes", r#"[{"name":"region","value":null}]"#)
            .json("rider_types", r#"["ADULT"]"#)
            .json("barcode_validation", r#"{"enabled":true}"#)
    }

    fn payload(&self, object: Object, times: TimeStyle, keys: Keys) -> Object {
        let mut dice = self.payload_dice();
        let encrypted: String = (0..172).map(|_| dice.alphanumeric()).collect();
        let device = match self.status {
            Status::Using => format!("\"device-{:x}\"", mix(&[self.seed, self.user])),
            _ => "null".to_owned(),
        };
        let object = object
            .text("encrypted_payload", &encrypted)
            .json("payload_expiration", times.json(self.modified_ms + 1_440 * MINUTE_MS))
            .json("locked_to_device", device)
            .null("locked_to_device_expiration_time");
        match keys {
            Keys::Canonical => object,
            Keys::Careless => object.text("label_name", self.product().label),
        }
    }
}

fn zone(config: Object, zone: &(&str, impl Display)) -> Object {
    config.json(zone.0, &zone.1)
}

fn random_uuid(dice: &mut Rng) -> String {
    uuid_text(dice.u64(..), dice.u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(user: u64) -> Generated {
        let mut pass = Generated::bought(7, user, 0, 1_795_168_800_000);
        pass.activate(1_795_168_860_123);
        pass
    }

    #[test]
    fn a_text_is_json_of_the_expected_size() {
        for user in 1..50 {
            let text = pass(user).text(Keys::Canonical);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["uuid"], pass(user).uuid());
            assert_eq!(value["status"], "USING");
            assert!((1_200..1_900).contains(&text.len()), "{}", text.len());
        }
    }

    #[test]
    fn careless_keys_mean_the_same() {
        let pass = pass(3);
        let careless = pass.text(Keys::Careless);
        let canonical = pass.text(Keys::Canonical);
        assert_ne!(careless, canonical);
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&careless), parse(&canonical));
    }

    #[test]
    fn each_version_has_a_text_of_its_own() {
        let mut pass = pass(1);
        let before = pass.text(Keys::Canonical);
        pass.change(pass.modified_ms);
        assert_ne!(pass.text(Keys::Canonical), before);
    }

    #[test]
    fn the_three_kinds_of_times_occur() {
        let times = |style: TimeStyle| style.json(1_795_168_860_123);
        assert_eq!(times(TimeStyle::Rfc3339), "\"2026-11-20T10:01:00Z\"");
        assert_eq!(times(TimeStyle::Sql), "\"2026-11-20 10:01:00\"");
        assert_eq!(times(TimeStyle::SqlFraction), "\"2026-11-20 10:01:00.123000\"");
        assert_eq!(times(TimeStyle::EpochSeconds), "1795168860");
    }
}
