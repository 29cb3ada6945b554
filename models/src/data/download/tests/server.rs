//! A small HTTP server that can misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;

/// A request, as far as a download's matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Request {
    pub(super) path: String,
    /// Bytes asked for; the end is beyond the last.
    pub(super) range: Option<Range<u64>>,
    pub(super) if_range: Option<String>,
}

/// An answer; its length is announced truly unless `headers` do it.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// Bytes of the body after which the connection is closed.
    pub(super) cut: Option<usize>,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self { status, body: b"sorry".to_vec(), ..Self::default() }
    }

    /// The whole of `file`.
    pub(super) fn whole(file: &[u8]) -> Self {
        Self { status: 200, body: file.to_vec(), ..Self::default() }
    }

    /// The answer of a well-behaved server that has `file`, with `tag` as its `ETag`.
    pub(super) fn good(file: &[u8], tag: Option<&str>, request: &Request) -> Self {
        let holds = request.if_range.is_none() || request.if_range.as_deref() == tag;
        let mut reply = match &request.range {
            Some(range) if holds => {
                let (start, end) = (range.start as usize, (range.end as usize).min(file.len()));
                let content_range = format!("bytes {start}-{}/{}", end - 1, file.len());
                Self {
                    status: 206,
                    headers: vec![("Content-Range", content_range)],
                    body: file[start..end].to_vec(),
                    cut: None,
                }
            }
            _ => Self::whole(file),
        };
        reply.headers.extend(tag.map(|tag| ("ETag", tag.to_owned())));
        reply
    }

    /// The same, ended after `bytes` of the body.
    pub(super) fn cut(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// Answers on a port of its own until the test's process ends.
pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `answer` gets the number of the request, from 0.
    pub(super) fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/bitmaps", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || serve(&stream.unwrap(), &seen, &*answer));
            }
        });
        Self { url, requests }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, seen: &Mutex<Vec<Request>>, answer: &dyn Fn(usize, &Request) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let reply = answer(number, &request);
        let mut head = format!("HTTP/1.1 {} Whatever\r\n", reply.status);
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !reply.headers.iter().any(|(name, _)| ["Content-Length", "Transfer-Encoding"].contains(name)) {
            head += &format!("Content-Length: {}\r\n", reply.body.len());
        }
        let mut writer = stream;
        let end = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
        // A client that has read enough hangs up.
        if writer.write_all((head + "\r\n").as_bytes()).and_then(|()| writer.write_all(&reply.body[..end])).is_err()
            || reply.cut.is_some()
        {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// The next request; `None` when the connection ends.
fn read_request(reader: &mut BufReader<impl Read>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&read| read > 0)?;
    let mut request = Request { path: line.split(' ').nth(1)?.to_owned(), ..Request::default() };
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Some(request) };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let (start, last) = value.strip_prefix("bytes=")?.split_once('-')?;
                request.range = Some(start.parse().ok()?..last.parse::<u64>().ok()? + 1);
            }
            "if-range" => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
}
