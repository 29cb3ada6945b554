//! Protocol Buffers' wire format, as far as TensorBoard's events and ONNX need it: a message is a list of fields, each a key
//! (number and wire type) and its value. <https://protobuf.dev/programming-guides/encoding/>

/// A message under construction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message(Vec<u8>);

/// The wire types.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

impl Message {
    /// No fields yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// An unsigned number, or an enumeration's.
    #[must_use]
    pub fn varint(self, field: u64, value: u64) -> Self {
        self.base_128(field << 3 | VARINT).base_128(value)
    }

    /// An `int64`: one below zero takes ten bytes.
    #[must_use]
    pub fn int(self, field: u64, value: i64) -> Self {
        self.varint(field, value.cast_unsigned())
    }

    /// An `f64`.
    #[must_use]
    pub fn double(self, field: u64, value: f64) -> Self {
        self.base_128(field << 3 | EIGHT_BYTES).raw(&value.to_le_bytes())
    }

    /// An `f32`.
    #[must_use]
    pub fn float(self, field: u64, value: f32) -> Self {
        self.base_128(field << 3 | FOUR_BYTES).raw(&value.to_le_bytes())
    }

    /// Bytes, or a string.
    #[must_use]
    pub fn bytes(self, field: u64, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.base_128(field << 3 | LENGTH).base_128(value.len() as u64).raw(value)
    }

    /// A message within the message.
    #[must_use]
    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// `repeated double`, packed.
    #[must_use]
    pub fn doubles(self, field: u64, values: &[f64]) -> Self {
        self.bytes(field, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// The fields of both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        self.raw(&other.0)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Seven bits a byte from the lowest, the top bit set in all but the last.
    fn base_128(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
}

/// Reading messages back, for tests: of the wire format alone, so that what a writer means is held against what is there.
#[cfg(test)]
pub(crate) mod decode {
    use super::*;

    /// A field's value.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) enum Value {
        Varint(u64),
        Eight([u8; 8]),
        Bytes(Vec<u8>),
        Four([u8; 4]),
    }

    /// The fields of a message in order.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct Fields(pub(crate) Vec<(u64, Value)>);

    impl Fields {
        pub(crate) fn of(mut bytes: &[u8]) -> Self {
            let mut fields = Vec::new();
            while !bytes.is_empty() {
                let key = varint(&mut bytes);
                let value = match key & 7 {
                    VARINT => Value::Varint(varint(&mut bytes)),
                    EIGHT_BYTES => Value::Eight(take(&mut bytes, 8).try_into().unwrap()),
                    LENGTH => {
                        let length = varint(&mut bytes) as usize;
                        Value::Bytes(take(&mut bytes, length).to_vec())
                    }
                    FOUR_BYTES => Value::Four(take(&mut bytes, 4).try_into().unwrap()),
                    kind => panic!("wire type {kind}"),
                };
                fields.push((key >> 3, value));
            }
            Fields(fields)
        }

        pub(crate) fn numbers(&self, field: u64) -> Vec<u64> {
            self.all(field, |value| match value {
                Value::Varint(number) => *number,
                other => panic!("field {field} is {other:?}, expected a varint"),
            })
        }

        pub(crate) fn bytes(&self, field: u64) -> Vec<Vec<u8>> {
            self.all(field, |value| match value {
                Value::Bytes(bytes) => bytes.clone(),
                other => panic!("field {field} is {other:?}, expected bytes"),
            })
        }

        pub(crate) fn texts(&self, field: u64) -> Vec<String> {
            self.bytes(field).into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
        }

        pub(crate) fn messages(&self, field: u64) -> Vec<Fields> {
            self.bytes(field).iter().map(|bytes| Fields::of(bytes)).collect()
        }

        fn all<T>(&self, field: u64, read: impl Fn(&Value) -> T) -> Vec<T> {
            self.0.iter().filter(|(found, _)| *found == field).map(|(_, value)| read(value)).collect()
        }
    }

    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = take(bytes, 1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        unreachable!("an end")
    }
}

#[cfg(test)]
mod tests {
    use super::decode::{Fields, Value};
    use super::*;

    #[test]
    fn messages_are_encoded_as_protobuf_says() {
        let inner = Message::new().bytes(1, "loss").float(2, 1.0);
        let message = Message::new().varint(2, 300).message(5, &Message::new().message(1, &inner));
        assert_eq!(message.as_bytes(), b"\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x80\x3f");
        let minus_one = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(Message::new().int(1, -1).as_bytes(), minus_one);
    }

    #[test]
    fn fields_are_read_as_they_were_written() {
        let numbers = [0, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX];
        for number in numbers {
            let message = Message::new().varint(15, number).varint(16, number).int(2, i64::MIN).double(3, 0.5);
            let expected = [
                (15, Value::Varint(number)),
                (16, Value::Varint(number)),
                (2, Value::Varint(1 << 63)),
                (3, Value::Eight(0.5f64.to_le_bytes())),
            ];
            assert_eq!(Fields::of(message.as_bytes()).0, expected);
        }
    }
}
