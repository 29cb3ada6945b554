//! Refused downloads: unknown classes, wrong content, wrong answers, bad options.

use super::*;

#[test]
fn an_unknown_class_is_named() {
    let server = Server::start(|_, _| Reply::status(404));
    let mut case = Case::new();
    assert_error(case.cat(&server, None), &["/bitmaps/cat.npy: 404, no class \"cat\"", "`ice cream`"]);
    assert_eq!(server.requests().len(), 1);
    case.assert_nothing_there();
}

#[test]
fn wrong_content_is_refused() {
    let html = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>".to_vec();
    let with = |start: Vec<u8>, rest: usize| [start, vec![0; rest]].concat();
    for (file, parts) in [
        (html, &["begins with \"<!DOCTYPE html>", "(text/plain)", "expected a .npy array"][..]),
        (b"\x93NUMPY".to_vec(), &["not a .npy array"]),
        (Vec::new(), &["not a .npy array"]),
        (with(header("<f4", false, "(3, 784)"), 12 * ROW), &["shape (3, 784) of \"<f4\" in C order"]),
        (with(header("|u1", true, "(3, 784)"), 3 * ROW), &["Fortran order, expected (N, 784) of \"|u1\""]),
        (with(header("|u1", false, "(3, 28, 28)"), 3 * ROW), &["shape (3, 28, 28)"]),
        (with(header("|u1", false, "(0, 784)"), 0), &["no drawings"]),
        (with(header("|u1", false, "(3, 784)"), 3 * ROW + 1), &["2433 bytes, expected 2432 for the 3 drawings"]),
        (with(header("|u1", false, "(9, 784)"), 3 * ROW), &["2432 bytes, expected 7136"]),
        (with(header("|u1", false, "(18446744073709551615, 784)"), ROW), &["too many"]),
        (with(b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), 2 * ROW), &["a header of 65535 bytes"]),
        (with(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), 2 * ROW), &["a header of 4294967295 bytes"]),
    ] {
        for ranges in [true, false] {
            let (file, whole) = (file.clone(), !ranges || file.is_empty());
            let server = Server::start(move |_, request| {
                let reply = if whole { Reply::whole(&file) } else { Reply::good(&file, None, request) };
                reply.with("Content-Type", "text/plain")
            });
            let mut case = Case::new();
            assert_error(case.cat(&server, Some(2)), &[&[server.url.as_str(), "/cat.npy: "], parts].concat());
            assert_eq!(server.requests().len(), 1);
            case.assert_nothing_there();
        }
    }
}

#[test]
fn wrong_answers_are_refused() {
    for (reply, parts) in [
        (Reply::status(403), &["the server answers 403 Forbidden, expected 206 or 200"][..]),
        (Reply::status(206).with("Content-Range", "bytes 100-200/5000"), &["range \"bytes 100-200/5000\"", "byte 0"]),
        (Reply::status(206), &["206 without a range"]),
        (Reply::status(416), &["416"]),
    ] {
        let server = Server::start(move |_, _| reply.clone());
        assert_error(Case::new().cat(&server, None), &[&["/cat.npy: "], parts].concat());
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn bad_options_are_refused_before_anything_is_asked() {
    let mut case = Case::new();
    for (classes, limit, base_url, parts) in [
        (&[][..], None, "http://127.0.0.1:1", &["classes: none"][..]),
        (&["cat", "dog", "cat"], None, "http://127.0.0.1:1", &["\"cat\" twice"]),
        (&["../cat"], None, "http://127.0.0.1:1", &["\"../cat\", expected the name"]),
        (&["a/b"], None, "http://127.0.0.1:1", &["\"a/b\""]),
        (&[""], None, "http://127.0.0.1:1", &["\"\""]),
        (&["cat\n"], None, "http://127.0.0.1:1", &["\"cat\\n\""]),
        (&["cat"], Some(0), "http://127.0.0.1:1", &["limit: 0"]),
        (&["cat"], None, "ftp://127.0.0.1", &["base URL: \"ftp://127.0.0.1\", expected http://"]),
        (
            &["cat"],
            None,
            "http://127.0.0.1:99999",
            &["base URL: \"http://127.0.0.1:99999\"", "expected a port up to 65535"],
        ),
        (&["cat"], None, "http://", &["cat.npy", "cannot be asked for"]),
        (&["cat"], None, "http://a b/", &["cat.npy", "cannot be asked for"]),
    ] {
        assert_error(case.run(&case.options(base_url, classes, limit)), parts);
        case.assert_nothing_there();
    }
    fs::write(case.out(), "a file").unwrap();
    let server = Server::start(|_, request| Reply::good(&google_file(3, 1), None, request));
    assert_error(case.cat(&server, None), &["data: "]);
}
