//! Downloads from a server on this machine that behaves, or does not.

use std::fs;
use std::net::TcpListener;

use super::*;
use crate::data::{LoadOptions, load};

mod refused;
mod server;

use server::{Reply, Request, Server};

/// A `.npy` file of `rows` drawings, as Google has them: version 1, a header of 80 bytes. No two rows are the same.
fn google_file(rows: usize, seed: usize) -> Vec<u8> {
    let mut file = header("|u1", false, &format!("({rows}, 784)"));
    file.extend(pixels(rows, seed));
    file
}

fn header(descr: &str, fortran: bool, shape: &str) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let text = format!("{text:<69}\n");
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

fn pixels(rows: usize, seed: usize) -> Vec<u8> {
    (0..rows * ROW).map(|i| ((i * 31 + i / ROW * 7 + seed * 13) % 251) as u8).collect()
}

/// A folder to download to, and what a download there said.
struct Case {
    folder: tempfile::TempDir,
    events: Vec<String>,
}

impl Case {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), events: Vec::new() }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.out().join(name)
    }

    fn options(&self, base_url: &str, classes: &[&str], limit: Option<usize>) -> Download {
        Download {
            base_url: base_url.to_owned(),
            tries: 4,
            backoff: Duration::from_millis(1),
            longest_wait: Duration::from_millis(20),
            patience: Duration::from_secs(5),
            ..Download::new(classes.iter().map(|&class| class.to_owned()).collect(), limit, self.out())
        }
    }

    fn run(&mut self, options: &Download) -> Result<ClassReport> {
        let events = &mut self.events;
        events.clear();
        let mut report = download(options, &mut |progress| match progress {
            Progress::Rows { done, wanted, .. } => assert!(done <= wanted),
            Progress::Retry { reason, next_try, .. } => events.push(format!("{next_try}: {reason}")),
            Progress::Done(report) => events.push(format!("{} done", report.class)),
        })?;
        assert_eq!(report.classes.len(), options.classes.len());
        Ok(report.classes.remove(0))
    }

    /// Downloads `cat`.
    fn cat(&mut self, server: &Server, limit: Option<usize>) -> Result<ClassReport> {
        self.run(&self.options(&server.url, &["cat"], limit))
    }

    /// Asserts that `<class>.npy` holds the first `rows` of `google_file(_, seed)`, and nothing else is there.
    #[track_caller]
    fn assert_holds(&self, class: &str, rows: usize, seed: usize) {
        let images = load_images(self.file(&format!("{class}.npy"))).unwrap();
        assert!(images.pixels() == &Pixels::U8(pixels(rows, seed)), "other pixels");
        assert!(!self.file(&format!("{class}.npy.part")).exists());
    }

    #[track_caller]
    fn assert_nothing_there(&self) {
        assert!(!self.out().exists(), "{:?}", self.out().read_dir().unwrap().collect::<Vec<_>>());
    }
}

/// Asserts that `result` is an error of one line with all of `parts` in it.
#[track_caller]
fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().expect("expected an error").to_string();
    assert!(!error.contains('\n'), "{error}");
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn only_the_header_and_the_rows_wanted_are_asked_for() {
    let server = Server::start(|_, request| Reply::good(&google_file(40, 1), Some("\"a\""), request));
    let mut case = Case::new();
    let report = case.run(&case.options(&format!("{}/", server.url), &["ice cream", "cat"], Some(10))).unwrap();
    assert_eq!((report.class.as_str(), report.rows, report.available, report.fetched), ("ice cream", 10, Some(40), 10));
    assert_eq!(report.path, case.file("ice cream.npy"));
    assert_eq!(case.events, ["ice cream done", "cat done"]);
    case.assert_holds("ice cream", 10, 1);
    case.assert_holds("cat", 10, 1);
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[0].path, "/bitmaps/ice%20cream.npy");
    assert_eq!(requests[0].range, Some(0..remote::HEADER_ROOM));
    assert_eq!(requests[1].range, Some(80..80 + 10 * 784));
    assert_eq!(requests[1].if_range.as_deref(), Some("\"a\""));

    let dataset = load(case.out().to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((dataset.classes, dataset.train.len()), (vec!["cat".to_owned(), "ice cream".to_owned()], 16));
}

#[test]
fn all_rows_come_without_a_limit_or_below_it() {
    for limit in [None, Some(1000)] {
        let server = Server::start(|_, request| Reply::good(&google_file(3, 1), None, request));
        let mut case = Case::new();
        assert_eq!(case.cat(&server, limit).unwrap().rows, 3);
        case.assert_holds("cat", 3, 1);
    }
}

#[test]
fn a_file_with_enough_rows_is_left_alone() {
    let server = Server::start(|_, request| Reply::good(&google_file(40, 1), Some("\"a\""), request));
    let mut case = Case::new();
    case.cat(&server, Some(10)).unwrap();
    let asked = server.requests().len();
    let report = case.cat(&server, Some(8)).unwrap();
    assert_eq!((report.rows, report.available, report.fetched), (10, None, 0));
    assert_eq!(server.requests().len(), asked);

    assert_eq!(case.cat(&server, Some(12)).unwrap().rows, 12);
    case.assert_holds("cat", 12, 1);
    assert_eq!(case.cat(&server, None).unwrap().rows, 40);
    let asked = server.requests().len();
    let report = case.cat(&server, None).unwrap();
    assert_eq!((report.rows, report.available, report.fetched), (40, Some(40), 0));
    assert_eq!(server.requests().len(), asked + 1);
    case.assert_holds("cat", 40, 1);
}

#[test]
fn a_file_of_other_drawings_is_not_replaced() {
    let server = Server::start(|_, request| Reply::good(&google_file(40, 1), None, request));
    let mut case = Case::new();
    fs::create_dir(case.out()).unwrap();
    for mine in [google_file(5, 2), [header("<f4", false, "(1, 784)"), vec![0; 4 * ROW]].concat()] {
        fs::write(case.file("cat.npy"), &mine).unwrap();
        assert_error(case.cat(&server, Some(10)), &["cat.npy", "other drawings than http://127"]);
        assert_eq!(fs::read(case.file("cat.npy")).unwrap(), mine);
    }
    fs::write(case.file("cat.npy"), "my notes").unwrap();
    assert_error(case.cat(&server, Some(10)), &["cat.npy", "not a .npy array"]);
    fs::remove_file(case.file("cat.npy")).unwrap();
    fs::write(case.file("cat.npy.part"), "my notes").unwrap();
    assert_error(case.cat(&server, Some(10)), &["cat.npy.part", "not a download"]);
    assert_eq!(fs::read(case.file("cat.npy.part")).unwrap(), b"my notes");
}

#[test]
fn a_header_of_a_thousand_million_drawings_is_believed_only_up_to_a_limit() {
    let mut file = google_file(40, 1);
    file.splice(..80, header("|u1", false, "(1000000000, 784)"));
    let server = Server::start(move |_, _| {
        let mut reply = Reply::whole(&[]).with("Transfer-Encoding", "chunked");
        reply.body.extend(format!("{:x}\r\n", file.len()).bytes());
        reply.body.extend(&file);
        reply.body.extend(b"\r\n0\r\n\r\n");
        reply
    });
    let mut case = Case::new();
    assert_error(case.cat(&server, None), &["/cat.npy", "announces 1000000000 drawings", "or a limit"]);
    assert_eq!(case.cat(&server, Some(10)).unwrap().rows, 10);
}

#[test]
fn a_server_without_ranges_is_read_as_far_as_needed() {
    for chunked in [false, true] {
        let file = google_file(4000, 1);
        let server = Server::start(move |_, _| {
            if !chunked {
                return Reply::whole(&file);
            }
            let mut reply = Reply::whole(&[]).with("Transfer-Encoding", "chunked");
            for chunk in file.chunks(5000) {
                reply.body.extend(format!("{:x}\r\n", chunk.len()).bytes());
                reply.body.extend(chunk);
                reply.body.extend(b"\r\n");
            }
            reply.body.extend(b"0\r\n\r\n");
            reply
        });
        let mut case = Case::new();
        assert_eq!(case.cat(&server, Some(10)).unwrap().rows, 10);
        case.assert_holds("cat", 10, 1);
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_broken_connection_goes_on_where_it_stopped() {
    for (tag, ranges) in [(Some("\"a\""), true), (None, true), (Some("\"a\""), false), (None, false)] {
        let file = google_file(20, 1);
        let server = Server::start(move |number, request| {
            let reply = if ranges { Reply::good(&file, tag, request) } else { Reply::whole(&file) };
            match number {
                0 => reply.cut(50),
                1 | 2 if reply.body.len() > 1024 => reply.cut(3 * ROW + 500),
                _ => reply,
            }
        });
        let mut case = Case::new();
        let report = case.cat(&server, None).unwrap();
        assert_eq!((report.rows, report.available, report.fetched), (20, Some(20), 20), "{tag:?} {ranges}");
        case.assert_holds("cat", 20, 1);
        assert!(case.events.len() > 2 && case.events[0].starts_with("2: the connection"), "{:?}", case.events);
        if ranges {
            // Three rows and a fragment have come: from the third.
            assert_eq!(server.requests().last().unwrap().range, Some(80 + 2 * 784..80 + 20 * 784));
        }
    }
}

/// Leaves a `.part` file of at least `rows` rows of `google_file(20, 1)`.
fn cut_off(case: &mut Case, server: &Server) {
    let options = Download { tries: 1, ..case.options(&server.url, &["cat"], Some(12)) };
    assert_error(case.run(&options), &["cat.npy: the connection", "given up after 1 tries"]);
    assert!(case.file("cat.npy.part").exists() && !case.file("cat.npy").exists());
}

/// A server whose second answer is cut after five rows, and that has what `later` says from then on.
fn cut_then(tag: Option<&'static str>, later: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |number, request| match number {
        0 => Reply::good(&google_file(20, 1), tag, request),
        1 => Reply::good(&google_file(20, 1), tag, request).cut(5 * ROW + 100),
        _ => later(request),
    })
}

#[test]
fn a_later_run_goes_on_where_the_earlier_one_stopped() {
    for tag in [Some("\"a\""), None] {
        let server = cut_then(tag, move |request| Reply::good(&google_file(20, 1), tag, request));
        let mut case = Case::new();
        cut_off(&mut case, &server);
        let report = case.cat(&server, Some(15)).unwrap();
        assert_eq!((report.rows, report.fetched), (15, 10));
        assert_eq!(server.requests()[3].range, Some(80 + 4 * 784..80 + 15 * 784));
        case.assert_holds("cat", 15, 1);
    }
}

#[test]
fn rows_of_a_changed_file_are_not_mixed() {
    // Another tag, or no tag and only other drawings, or a file of another length.
    for (before, after, rows) in
        [(Some("\"a\""), Some("\"b\""), 20), (None, None, 20), (None, None, 21), (Some("\"a\""), None, 20)]
    {
        let server = cut_then(before, move |request| Reply::good(&google_file(rows, 2), after, request));
        let mut case = Case::new();
        cut_off(&mut case, &server);
        assert_eq!(case.cat(&server, Some(12)).unwrap().rows, 12);
        case.assert_holds("cat", 12, 2);
    }
    // The file changes between the header and the rows.
    let server = Server::start(|number, request| match number {
        0 => Reply::good(&google_file(20, 1), Some("\"a\""), request),
        _ => Reply::good(&google_file(20, 2), Some("\"b\""), request),
    });
    let mut case = Case::new();
    case.cat(&server, Some(12)).unwrap();
    case.assert_holds("cat", 12, 2);
    assert_eq!(case.events, ["2: the file changed while it was read", "cat done"]);
}

#[test]
fn a_smaller_limit_is_met_by_the_earlier_run() {
    let server = cut_then(Some("\"a\""), |request| Reply::good(&google_file(20, 1), Some("\"a\""), request));
    let mut case = Case::new();
    cut_off(&mut case, &server);
    let report = case.cat(&server, Some(4)).unwrap();
    assert_eq!((report.rows, report.fetched), (4, 0));
    case.assert_holds("cat", 4, 1);
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let server = cut_then(Some("\"a\""), |request| Reply::good(&google_file(20, 1), Some("\"a\""), request));
    let mut case = Case::new();
    cut_off(&mut case, &server);
    let other = Part::open(case.file("cat.npy.part")).unwrap();
    assert_error(case.cat(&server, Some(12)), &["cat.npy.part", "in use by another download"]);
    drop(other);
    case.cat(&server, Some(12)).unwrap();
}

#[test]
fn busy_servers_are_asked_again() {
    let server = Server::start(|number, request| match number {
        0 => Reply::status(503),
        1 => Reply::status(429).with("Retry-After", 1_000_000),
        3 => Reply::status(500),
        _ => Reply::good(&google_file(20, 1), None, request),
    });
    let mut case = Case::new();
    assert_eq!(case.cat(&server, Some(10)).unwrap().rows, 10);
    case.assert_holds("cat", 10, 1);
    assert_eq!(case.events.len(), 4);
    for (event, part) in case.events.iter().zip(["2: the server answers 503", "3: ", "4: "]) {
        assert!(event.starts_with(part), "{event}");
    }
}

#[test]
fn waits_double_and_heed_the_server() {
    let server = Server::start(|number, _| match number {
        0 | 1 => Reply::status(503),
        _ => Reply::status(503).with("Retry-After", 30),
    });
    let case = Case::new();
    let mut waits = Vec::new();
    let options = case.options(&server.url, &["cat"], None);
    let result = download(&options, &mut |progress| {
        if let Progress::Retry { wait, .. } = progress {
            waits.push(wait.as_millis());
        }
    });
    assert_error(result, &["cat.npy: the server answers 503", "given up after 4 tries"]);
    assert_eq!(waits, [1, 2, 20]);
    assert_eq!(server.requests().len(), 4);
    case.assert_nothing_there();
}

#[test]
fn a_server_that_never_gets_on_is_given_up() {
    let server = Server::start(|_, request| Reply::good(&google_file(20, 1), None, request).cut(1024));
    let mut case = Case::new();
    assert_error(case.cat(&server, Some(10)), &["cat.npy: the connection", "given up after 4 tries"]);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut case = Case::new();
    assert_error(case.run(&case.options(&url, &["cat"], None)), &["cat.npy: no answer", "refused", "after 4 tries"]);
    case.assert_nothing_there();
}

#[test]
fn a_silent_server_is_not_waited_for_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut case = Case::new();
    let options = Download { patience: Duration::from_millis(20), tries: 2, ..case.options(&url, &["cat"], None) };
    assert_error(case.run(&options), &["cat.npy: no answer", "timeout", "after 2 tries"]);
}
