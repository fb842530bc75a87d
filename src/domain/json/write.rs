use serde_json::Value;

/// Writes a flat JSON object, compactly and in the order of the calls.
pub(crate) struct ObjectWriter(String);

impl ObjectWriter {
    pub(crate) fn new() -> Self {
        Self(String::with_capacity(160))
    }

    /// A field whose value needs no quotes: a number or a boolean.
    pub(crate) fn plain(mut self, name: &'static str, value: impl ToString) -> Self {
        self.name(name);
        self.0 += &value.to_string();
        self
    }

    pub(crate) fn text(mut self, name: &'static str, text: &str) -> Self {
        self.name(name);
        self.0 += &Value::from(text).to_string();
        self
    }

    pub(crate) fn text_if_some(self, name: &'static str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &'static str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0 += name;
        self.0 += "\":";
    }
}
