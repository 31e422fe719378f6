//! A client over real HTTP that looks at every answer: whatever is refused is refused as the contract says.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;
use uuid::Uuid;

/// Everybody's.
pub const PASSWORD: &str = "Correct horse 1";

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: Uuid,
    pub access: String,
    pub refresh: String,
}

impl Session {
    /// Of the tokens in an answer.
    pub fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        let mut session = Self { id: Uuid::nil(), access: text("access_token"), refresh: text("refresh_token") };
        session.id = session.claim("sub");
        session
    }

    /// The device's id.
    pub fn login(&self) -> Uuid {
        self.claim("sid")
    }

    fn claim(&self, name: &str) -> Uuid {
        let payload = URL_SAFE_NO_PAD.decode(self.access.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()[name].as_str().unwrap().parse().unwrap()
    }
}

/// A request in the making.
#[derive(Debug)]
pub struct Call {
    request: RequestBuilder,
    said: String,
    /// Whether it is asked again while a projection is behind.
    is_patient: bool,
}

impl Call {
    pub fn new(http: &Client, method: &str, url: String) -> Self {
        let said = format!("{method} {url}");
        Self { request: http.request(method.parse::<Method>().unwrap(), url), said, is_patient: false }
    }

    pub fn by(self, session: &Session) -> Self {
        self.bearer(&session.access)
    }

    pub fn bearer(self, token: &str) -> Self {
        let mut call = self;
        call.request = call.request.header("authorization", format!("Bearer {token}"));
        call
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.said = format!("{} [{name}: {value}]", self.said);
        self.request = self.request.header(name, value);
        self
    }

    /// Waits for this position: for as long as the server does, and then again, as `Retry-After` says.
    pub fn after(self, position: i64) -> Self {
        Self { is_patient: true, ..self.header("orbit-min-position", &position.to_string()) }
    }

    pub fn json(self, body: &Value) -> Self {
        self.raw(body.to_string())
    }

    /// A body that says it is JSON.
    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body: Vec<u8> = body.into();
        self.said = format!("{} {}", self.said, String::from_utf8_lossy(&body[..body.len().min(2_000)]));
        self.request = self.request.header("content-type", "application/json").body(body);
        self
    }

    /// A body that says it is something else.
    pub fn bytes(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.request = self.request.header("content-type", kind).body(body.into());
        self
    }

    pub async fn send(mut self) -> Answer {
        let begun = Instant::now();
        loop {
            let (again, said) = (self.again().filter(|_| self.is_patient), self.said.clone());
            let answer = self.try_send().await.unwrap_or_else(|error| panic!("{said}: {error:?}"));
            match again {
                Some(call) if answer.code() == "projection_lag" && begun.elapsed() < super::SOON => self = call,
                Some(_) | None => return answer,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The same request once more; none, if its body is gone with the first.
    fn again(&self) -> Option<Self> {
        Some(Self { request: self.request.try_clone()?, said: self.said.clone(), is_patient: self.is_patient })
    }

    /// Opens a stream of server-sent events.
    pub async fn follow(self) -> Events {
        let response = self.request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{}", self.said);
        Events::of(response)
    }

    /// For servers that may be killed meanwhile.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream has no end: what it begins with stands for it.
        let endless = headers.get("content-type").is_some_and(|media| media == "text/event-stream");
        let body = if endless { Events::of(response).beginning().await? } else { response.text().await? };
        let answer = Answer { said: self.said, status, headers, body };
        answer.check();
        Ok(answer)
    }
}

/// A stream of server-sent events, as it comes.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    text: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub id: Option<i64>,
    pub event: String,
    pub data: Value,
}

impl Events {
    fn of(response: reqwest::Response) -> Self {
        Self { response, text: String::new() }
    }

    /// Whatever comes first, as it is.
    async fn beginning(mut self) -> reqwest::Result<String> {
        let begun = |text: &str| text.contains("\ndata: ") && text.ends_with("\n\n");
        while !begun(&self.text) && self.more().await? {}
        Ok(self.text)
    }

    async fn more(&mut self) -> reqwest::Result<bool> {
        let chunk = self.response.chunk().await?;
        self.text.push_str(chunk.as_deref().map_or("", |bytes| std::str::from_utf8(bytes).unwrap()));
        Ok(chunk.is_some())
    }

    /// The next event; nothing once the stream has ended, or was torn off.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                if let Some(data) = field("data") {
                    return Some(Told {
                        id: field("id").map(|id| id.parse().unwrap()),
                        event: field("event").unwrap_or_default().to_owned(),
                        data: serde_json::from_str(data).unwrap(),
                    });
                }
            }
            let more = tokio::time::timeout(super::SOON, self.more()).await;
            if !more.expect("nothing is told").unwrap_or(false) {
                return None;
            }
        }
    }

    /// The next facts: what only says how far the log is does not count.
    pub async fn facts(&mut self, count: usize) -> Vec<Told> {
        let mut facts = Vec::new();
        while facts.len() < count {
            let told = self.next().await.expect("the stream ended");
            if told.event != "position" {
                facts.push(told);
            }
        }
        facts
    }
}

/// What came back, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request, to quote it.
    pub said: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// What is true of every answer.
    fn check(&self) {
        let id = self.header("x-request-id").unwrap_or_else(|| panic!("no request id: {self:?}"));
        assert!(self.status < 500 || [501, 503].contains(&self.status), "{self:?}");
        if self.status < 400 || self.said.contains("/health/ready") {
            return;
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert_eq!(problem["request_id"], id, "{self:?}");
        assert_eq!(problem["type"], format!("/problems/{}", self.code()), "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        assert!(self.status != 401 || self.header("www-authenticate").is_some(), "{self:?}");
        if [429, 503].contains(&self.status) {
            assert!(self.header("retry-after").is_some(), "{self:?}");
        }
    }

    /// The status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.said, self.body);
        self
    }

    /// It is a problem with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.code(), code, "{}: {}", answer.said, answer.body);
        answer
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// What a problem is called; empty if it is none.
    pub fn code(&self) -> String {
        serde_json::from_str::<Value>(&self.body).unwrap_or_default()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn id(&self) -> Uuid {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {self:?}")).parse().unwrap()
    }

    /// How far the log was with this write.
    pub fn position(&self) -> i64 {
        self.header("orbit-position").unwrap_or_else(|| panic!("no position: {self:?}")).parse().unwrap()
    }

    /// A field of each row of a page.
    pub fn each(&self, field: &str) -> Vec<Value> {
        self.json()["data"].as_array().unwrap().iter().map(|row| row[field].clone()).collect()
    }
}
