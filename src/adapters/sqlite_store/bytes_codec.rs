//! Compact binary values: numbers in LEB128, texts and byte strings behind their lengths.

use bytes::{Buf as _, Bytes};

/// Writes a value.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    pub(crate) fn signed(&mut self, number: i64) {
        self.number((number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned());
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// 0 is none, else the length and one.
    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.0.push(0),
            Some(bytes) => {
                self.count(bytes.len() + 1);
                self.0.extend_from_slice(bytes);
            }
        }
    }
}

/// A value that is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it ends too early or has a wrong length")]
pub(crate) struct Malformed;

/// Reads a value; byte strings share its memory.
#[derive(Debug)]
pub(crate) struct Reader(pub(crate) Bytes);

impl Reader {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.0.try_get_u8().map_err(|_| Malformed)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.number()?).map_err(|_| Malformed)
    }

    pub(crate) fn optional(&mut self) -> Result<Option<Bytes>, Malformed> {
        match self.count()? {
            0 => Ok(None),
            more => self.take(more - 1).map(Some),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        let length = self.count()?;
        let text = self.0.get(..length).ok_or(Malformed)?;
        let text = std::str::from_utf8(text).map_err(|_| Malformed)?.to_owned();
        self.0.advance(length);
        Ok(text)
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, Malformed> {
        let Some(bytes) = self.optional()? else { return Ok(None) };
        String::from_utf8(bytes.into()).map(Some).map_err(|_| Malformed)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        self.0.try_copy_to_slice(&mut array).map_err(|_| Malformed)?;
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.0.len() {
            return Err(Malformed);
        }
        Ok(self.0.split_to(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let numbers = [0, 1, 127, 128, 300, u64::MAX];
        let signed = [0, -1, 1, i64::MIN, i64::MAX];
        let mut writer = Writer::default();
        for number in numbers {
            writer.number(number);
        }
        for number in signed {
            writer.signed(number);
        }
        writer.optional(None);
        writer.optional(Some(b""));
        writer.bytes("é".as_bytes());
        let mut reader = Reader(writer.0.into());
        assert_eq!(numbers.map(|_| reader.number().unwrap()), numbers);
        assert_eq!(signed.map(|_| reader.signed().unwrap()), signed);
        assert_eq!(reader.optional(), Ok(None));
        assert_eq!(reader.optional(), Ok(Some(Bytes::new())));
        assert_eq!(reader.text().as_deref(), Ok("é"));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_cut_value_is_an_error() {
        assert_eq!(Reader(Bytes::from_static(&[5, 1])).optional(), Err(Malformed));
        assert_eq!(Reader(Bytes::from_static(&[5, 1])).text(), Err(Malformed));
        assert_eq!(Reader(Bytes::from_static(&[0x80])).number(), Err(Malformed));
        assert_eq!(Reader(Bytes::from_static(&[0x80; 12])).number(), Err(Malformed));
        assert_eq!(Reader(Bytes::from_static(&[1])).array::<2>(), Err(Malformed));
    }
}
