//! TensorBoard event files, written by hand: an `Event` message in protobuf's encoding a record, each record framed
//! as a TFRecord: length (u64), its masked CRC-32C, the message, its masked CRC-32C, all little-endian.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::disk::File;
use super::histogram::Histogram;
use super::records::Record;
use crate::error::{Error, Result};
use crate::image::{Channels, Png};
use crate::protobuf::Message;

/// An event file, open for appending.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts a new event file in `folder`. Files of an earlier part of the same run stay, and TensorBoard reads all.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be made.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let seconds = since_epoch().as_secs();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
        let mut n = 0;
        loop {
            let suffix = if n == 0 { String::new() } else { format!(".{n}") };
            let path = folder.as_ref().join(format!("events.out.tfevents.{seconds}.{host}{suffix}"));
            match File::open(&path, fs::File::options().append(true).create_new(true)) {
                Ok(file) => {
                    let mut events = Self { path, file };
                    events.append(&Message::new().double(1, now()).bytes(3, b"brain.Event:2"))?;
                    return Ok(events);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => n += 1,
                Err(error) => return Err(Error::io(path)(error)),
            }
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends values at a step; a `/` in a tag groups what stands before it.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut summary = Message::new();
        for &(tag, value) in values {
            summary = summary.message(1, &Message::new().bytes(1, tag.as_bytes()).float(2, value as f32));
        }
        self.append(&event(step, &summary))
    }

    /// Appends what a record measured, as `loss/train`, `kl/test` and the like.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn record(&mut self, record: &Record) -> Result<()> {
        let split = record.split.name();
        let measured =
            [("loss", record.loss)].into_iter().chain(record.terms.0.iter().map(|(name, v)| (name.as_str(), *v)));
        let mut values: Vec<(String, f64)> = measured.map(|(name, value)| (format!("{name}/{split}"), value)).collect();
        values.extend(record.lr.map(|lr| ("lr".to_owned(), lr)));
        let values: Vec<(&str, f64)> = values.iter().map(|(tag, value)| (tag.as_str(), *value)).collect();
        self.scalars(record.step, &values)
    }

    /// Appends a picture.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn picture(&mut self, step: u64, tag: &str, picture: &Png) -> Result<()> {
        // `Image { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 }`
        let (height, width) = (picture.height as u64, picture.width as u64);
        let colorspace = match picture.channels {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        };
        let image = Message::new().varint(1, height).varint(2, width).varint(3, colorspace);
        let image = image.bytes(4, &picture.bytes);
        let value = Message::new().bytes(1, tag.as_bytes()).message(4, &image);
        self.append(&event(step, &Message::new().message(1, &value)))
    }

    /// Appends how the numbers of something are distributed.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn histogram(&mut self, step: u64, tag: &str, histogram: &Histogram) -> Result<()> {
        // `HistogramProto { min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket = 7 }`
        let Histogram { min, max, count, sum, sum_squares, limits, buckets } = histogram;
        let proto = Message::new().double(1, *min).double(2, *max).double(3, *count as f64).double(4, *sum);
        let proto = proto.double(5, *sum_squares).doubles(6, limits).doubles(7, buckets);
        let value = Message::new().bytes(1, tag).message(5, &proto);
        self.append(&event(step, &Message::new().message(1, &value)))
    }

    /// Appends the settings of a run and the tags that measure it, for the page that compares runs by both.
    ///
    /// The messages are those of `tensorboard/plugins/hparams/plugin_data.proto` and `api.proto`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn hyperparameters(&mut self, settings: &[(String, Setting)], metrics: &[&str]) -> Result<()> {
        // `Experiment { hparam_infos = 4, metric_infos = 5 }` of `HParamInfo { name = 1, type = 4 }` and `MetricInfo { name = 1 }`
        // with `MetricName { group = 1, tag = 2 }`
        let infos = settings.iter().fold(Message::new(), |experiment, (name, setting)| {
            experiment.message(4, &Message::new().bytes(1, name).varint(4, setting.kind()))
        });
        let experiment = metrics.iter().fold(infos, |experiment, tag| {
            let name = Message::new().bytes(1, "").bytes(2, tag);
            experiment.message(5, &Message::new().message(1, &name))
        });
        // `SessionStartInfo { hparams = 1, start_time_secs = 5 }`; a map is entries of `key = 1, value = 2`.
        let start = settings.iter().fold(Message::new(), |start, (name, setting)| {
            start.message(1, &Message::new().bytes(1, name).message(2, &setting.message()))
        });
        let start = start.double(5, now());
        // `HParamsPluginData { version = 1, experiment = 2, session_start_info = 3 }`
        let said = [("_hparams_/experiment", 2, experiment), ("_hparams_/session_start_info", 3, start)];
        said.into_iter().try_for_each(|(tag, field, content)| {
            let content = Message::new().varint(1, 0).message(field, &content);
            // `SummaryMetadata { plugin_data = 1 { plugin_name = 1, content = 2 } }`, the value's field 9
            let plugin = Message::new().bytes(1, "hparams").message(2, &content);
            let value = Message::new().bytes(1, tag).message(9, &Message::new().message(1, &plugin));
            self.append(&event(0, &Message::new().message(1, &value)))
        })
    }

    fn append(&mut self, event: &Message) -> Result<()> {
        (&self.file).write_all(&frame(event.as_bytes())).map_err(Error::io(&self.path))
    }
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// On or off.
    Flag(bool),
    /// Anything else, in words.
    Text(String),
}

impl Setting {
    /// `DataType` of the plugin: a string, a bool, a float.
    fn kind(&self) -> u64 {
        match self {
            Setting::Text(_) => 1,
            Setting::Flag(_) => 2,
            Setting::Number(_) => 3,
        }
    }

    /// `google.protobuf.Value { number_value = 2, string_value = 3, bool_value = 4 }`.
    fn message(&self) -> Message {
        match self {
            Setting::Number(number) => Message::new().double(2, *number),
            Setting::Text(text) => Message::new().bytes(3, text),
            Setting::Flag(on) => Message::new().varint(4, u64::from(*on)),
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn now() -> f64 {
    since_epoch().as_secs_f64()
}

/// `Event { wall_time = 1, step = 2, summary = 5 }`.
fn event(step: u64, summary: &Message) -> Message {
    Message::new().double(1, now()).varint(2, step).message(5, summary)
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length).to_le_bytes(), message, &masked_crc(message).to_le_bytes()].concat()
}

/// The checksum as TFRecord stores it: rotated and moved, so that a checksum of checksums stays a good one.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), reflected, byte by byte.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| crc >> 8 ^ CRC_TABLE[usize::from(crc as u8 ^ byte)])
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Picture;
    use crate::protobuf::decode::Fields;

    /// The summaries' values of a file.
    fn values(path: &Path) -> Vec<Fields> {
        let bytes = fs::read(path).unwrap();
        let (mut rest, mut values) = (&bytes[..], Vec::new());
        while let Some((length, _)) = rest.split_first_chunk() {
            let length = u64::from_le_bytes(*length) as usize;
            let event = Fields::of(&rest[12..12 + length]);
            values.extend(event.messages(5).iter().flat_map(|summary| summary.messages(1)));
            rest = &rest[length + 16..];
        }
        values
    }

    #[test]
    fn settings_and_histograms_are_where_tensorboard_looks_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path()).unwrap();
        let settings = [
            ("lr".to_owned(), Setting::Number(0.5)),
            ("quick".to_owned(), Setting::Flag(true)),
            ("model".to_owned(), Setting::Text("cvae".to_owned())),
        ];
        events.hyperparameters(&settings, &["loss/test"]).unwrap();
        events.histogram(7, "weights/fc", &Histogram::of(&[-1.0, 0.0, 1.0, 1.0]).unwrap()).unwrap();
        let values = values(events.path());
        let tags: Vec<String> = values.iter().flat_map(|value| value.texts(1)).collect();
        assert_eq!(tags, ["_hparams_/experiment", "_hparams_/session_start_info", "weights/fc"]);
        let content = |value: &Fields| {
            let plugin = value.messages(9)[0].messages(1).remove(0);
            assert_eq!(plugin.texts(1), ["hparams"]);
            plugin.messages(2).remove(0)
        };
        let experiment = content(&values[0]).messages(2).remove(0);
        let named: Vec<(String, u64)> =
            experiment.messages(4).iter().map(|info| (info.texts(1).remove(0), info.numbers(4)[0])).collect();
        assert_eq!(named, [("lr".to_owned(), 3), ("quick".to_owned(), 2), ("model".to_owned(), 1)]);
        assert_eq!(experiment.messages(5)[0].messages(1)[0].texts(2), ["loss/test"]);
        let start = content(&values[1]).messages(3).remove(0);
        let entries = start.messages(1);
        assert_eq!(entries[2].texts(1), ["model"]);
        assert_eq!(
            (entries[1].messages(2)[0].numbers(4), entries[2].messages(2)[0].texts(3)),
            (vec![1], vec!["cvae".to_owned()])
        );
        let histogram = values[2].messages(5).remove(0);
        let doubles = |field: u64| {
            let bytes = histogram.bytes(field).concat();
            bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect::<Vec<f64>>()
        };
        assert_eq!((doubles(6).len(), doubles(7).iter().sum::<f64>()), (64, 4.0));
    }

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn files_are_made_of_whole_frames_and_never_shared() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path()).unwrap();
        assert_ne!(EventFile::create(folder.path()).unwrap().path(), events.path());
        events.scalars(3, &[("train/loss", 0.5), ("train/kl", 2.0)]).unwrap();
        let picture = Picture { width: 2, height: 1, channels: Channels::Grey, pixels: vec![0, 255] }.encode().unwrap();
        events.picture(3, "samples", &picture).unwrap();

        let bytes = fs::read(events.path()).unwrap();
        let mut rest = &bytes[..];
        let mut lengths = Vec::new();
        while let Some((length, _)) = rest.split_first_chunk() {
            let length = u64::from_le_bytes(*length) as usize;
            let (whole, after) = rest.split_at(length + 16);
            assert_eq!(whole, frame(&whole[12..12 + length]));
            lengths.push(length);
            rest = after;
        }
        assert_eq!(lengths.len(), 3);
        assert!(bytes.windows(10).any(|window| window == b"train/loss"));
    }
}
