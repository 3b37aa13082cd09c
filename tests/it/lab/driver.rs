//! A browser, driven through chromedriver: as much of its protocol as the tests need.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::PATIENCE;
use crate::fleet::now;
use crate::folder::Folder;

/// A window. It ends when it is dropped.
pub(super) struct Browser {
    driver: Child,
    address: String,
    session: String,
    /// What the browser keeps; it is deleted after the browser has ended.
    profile: Folder,
}

/// Whether both programs are here; without them a test is skipped, where nothing forbids it.
pub(super) fn is_here() -> bool {
    let runs = |program: &str| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|version| version.status.success())
    };
    let here = runs("chromium") && runs("chromedriver");
    if !here {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "chromium and chromedriver are missing");
        eprintln!("Skipped: it needs chromium and chromedriver (apt-get install chromium chromium-driver)");
    }
    here
}

impl Browser {
    /// Opens a window of such a width.
    pub(super) fn open(width: u32) -> Self {
        let profile = Folder::new();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={}", free.port()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self { driver, address: free.to_string(), session: String::new(), profile };
        wait_until(|| TcpStream::connect(free).is_ok(), || "chromedriver does not listen".to_owned());
        let mut flags: Vec<_> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]
        .map(str::to_owned)
        .into();
        flags.push(format!("--user-data-dir={}", browser.profile.0.display()));
        flags.push(format!("--window-size={width},900"));
        let wanted = json!({"goog:chromeOptions": {"args": flags}, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = browser.ask("POST", "", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    pub(super) fn go(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// Clicks what a selector finds first, as a person does.
    pub(super) fn click(&self, selector: &str) {
        let found = self.ask("POST", "/element", &json!({"using": "css selector", "value": selector}));
        let element = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// What an expression of the page comes to.
    pub(super) fn read(&self, expression: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({"script": format!("return {expression}"), "args": []}))
    }

    /// Waits until an expression of the page is true.
    #[track_caller]
    pub(super) fn wait(&self, expression: &str) {
        let text = || format!("not on the page: {expression}\n{}", self.read("document.body.innerText"));
        wait_until(|| self.read(expression) == json!(true), text);
    }

    /// What the browser complains of.
    pub(super) fn complaints(&self) -> Vec<Value> {
        self.ask("POST", "/se/log", &json!({"type": "browser"})).as_array().unwrap().clone()
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.send(method, path, body).unwrap();
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let (address, text) = (&self.address, body.to_string());
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!("{method} /session{}{path} HTTP/1.1\r\nHost: {address}\r\n", self.session);
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", text.len());
        stream.write_all([head, rest, text].concat().as_bytes())?;
        Ok(answer(&mut BufReader::new(stream))?["value"].clone())
    }
}

#[track_caller]
fn wait_until(check: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let end = now() + PATIENCE;
    while !check() {
        assert!(now() < end, "{}", otherwise());
        thread::sleep(Duration::from_millis(50));
    }
}

/// The body of an answer, after which chromedriver does not hang up.
fn answer(stream: &mut impl BufRead) -> io::Result<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", number)) => length = number.trim().parse().map_err(io::Error::other)?,
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser is no child of this process: it ends with its session.
        drop(self.send("DELETE", "", &json!({})));
        self.driver.kill().unwrap_or_default();
        drop(self.driver.wait());
    }
}
