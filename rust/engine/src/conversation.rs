//! All that an arrival of a blast may take: a challenge answered, redirects followed. It sends and records nothing.
//!
//! ```text
//!   arrival ─▶ request ─▶ 401? the challenge answered ─┐
//!                 ▲ └───▶ redirected? the next hop ────┤       else the arrival has ended as this request did
//!                 └────────────────────────────────────┘
//! ```
//!
//! Every request of it is one in the results, with a label of its own; the arrival counts as an iteration around them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use crate::http::digest::Challenge;
use crate::http::redirect::{Hop, MOST_HEADERS, header_values, is_redirect, next_hop};
use crate::outcome::ErrorKind;
use crate::places::{Known, Places};
use crate::plan::{Credentials, Plan};
use crate::random;
use crate::record::block::Role;
use crate::record::recorder::Recorder;
use crate::requests::{Chosen, Requests};
use crate::upload::Upload;
use crate::wiring::Wiring;

/// The label of the iterations.
const ITERATION: &str = "blast";
/// Labels of requests: a server that puts a number into each path would use up the memory for them.
const MOST_LABELS: usize = 100;
const OTHER: &str = "other requests";

/// An arrival under way, and the request that it has come to.
#[derive(Debug)]
pub struct Journey {
    /// When the arrival was due.
    pub due_ns: u64,
    /// When its first request was sent.
    pub began_ns: u64,
    /// What its present request is sent as.
    pub chosen: Chosen,
    /// As it would be sent to somebody who does not challenge.
    request: Rc<[u8]>,
    upload: Option<Rc<Upload>>,
    redirects: u32,
    /// It has been to no other origin.
    is_trusted: bool,
    /// A challenge to its present request was answered.
    is_answered: bool,
    /// The nonce that its request answered, if it did.
    nonce: Option<Rc<[u8]>>,
}

/// Head and body of a request, and what of the body is read while it is sent.
pub type Words = (Rc<[u8]>, Option<Rc<Upload>>);

/// What follows from a response.
#[derive(Debug)]
pub enum Step {
    /// The same request, with an answer to the challenge.
    Again,
    /// Another one: where it goes, or why it cannot be sent.
    Hop(Hop, Result<Known, ErrorKind>),
}

/// A challenge, and how often it was answered.
#[derive(Debug)]
struct Remembered {
    challenge: Challenge,
    nonce: Rc<[u8]>,
    answers: u32,
}

/// See the module.
pub struct Conversation {
    /// The label of the iterations.
    pub iteration: usize,
    /// Where hops may go.
    pub places: Places,
    journeys: Vec<Option<Journey>>,
    free: Vec<usize>,
    labels: HashMap<String, usize>,
    most_redirects: Option<u32>,
    who: Option<Credentials>,
    /// Of the plan's origins.
    challenges: HashMap<usize, Remembered>,
    /// What client nonces are drawn from.
    seed: u64,
    drawn: u64,
}

impl Conversation {
    /// What a plan asks for, if it does.
    pub fn new(plan: &Plan, places: Places, requests: &Requests, recorder: &Recorder) -> Option<Self> {
        plan.converses().then(|| Self {
            iteration: recorder.label(ITERATION, Role::Iteration),
            places,
            journeys: Vec::new(),
            free: Vec::new(),
            labels: requests.labels(plan),
            most_redirects: plan.max_redirects,
            who: plan.digest.clone(),
            challenges: HashMap::new(),
            seed: RandomState::new().build_hasher().finish(),
            drawn: 0,
        })
    }

    /// An arrival begins with a request. What it is known by.
    pub fn begin(&mut self, chosen: Chosen, words: (&Rc<[u8]>, Option<&Rc<Upload>>), due_ns: u64, now: u64) -> usize {
        let journey = Journey {
            due_ns,
            began_ns: now,
            chosen,
            request: Rc::clone(words.0),
            upload: words.1.cloned(),
            redirects: 0,
            is_trusted: true,
            is_answered: false,
            nonce: None,
        };
        if let Some(free) = self.free.pop() {
            self.journeys[free] = Some(journey);
            return free;
        }
        self.journeys.push(Some(journey));
        self.journeys.len() - 1
    }

    /// What its present request is sent as.
    pub fn chosen(&self, journey: usize) -> Chosen {
        self.journeys[journey].as_ref().map(|journey| journey.chosen).unwrap_or_default()
    }

    /// It has ended.
    pub fn end(&mut self, journey: usize) -> Option<Journey> {
        self.free.push(journey);
        self.journeys[journey].take()
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.journeys.len() - self.free.len()
    }

    /// The bytes of its present request, with an answer to the challenge that is known, and the body behind them.
    pub fn words(&mut self, journey: usize) -> Option<Words> {
        let journey = self.journeys[journey].as_mut()?;
        let upload = journey.upload.clone();
        journey.nonce = None;
        if let (Some(who), true) = (&self.who, journey.is_trusted)
            && let Some(known) = self.challenges.get_mut(&journey.chosen.origin)
            && !says_who(&journey.request)
        {
            let cnonce = format!("{:016x}", random::bits(self.seed, self.drawn));
            if let Some(answering) = answering(known, who, &cnonce, &journey.request) {
                self.drawn += 1;
                known.answers += 1;
                journey.nonce = Some(Rc::clone(&known.nonce));
                return Some((answering, upload));
            }
        }
        Some((Rc::clone(&journey.request), upload))
    }

    /// Whether a response with this status may lead on: only then its head need be read.
    pub fn may_lead_on(&self, status: u16) -> bool {
        self.most_redirects.is_some() && is_redirect(status) || self.who.is_some() && status == 401
    }

    /// What follows from the response to its present request, if anything does.
    pub fn next(&mut self, journey: usize, status: u16, head: &[u8], wiring: &Wiring) -> Option<Step> {
        let journey = self.journeys[journey].as_mut()?;
        if status == 401 {
            return remember(&mut self.challenges, journey, head).then_some(Step::Again);
        }
        let from = self.places.of(journey.chosen.origin)?;
        let hop = next_hop(status, head, &journey.request, from)?;
        if self.most_redirects.is_some_and(|most| journey.redirects >= most) {
            return Some(Step::Hop(hop, Err(ErrorKind::TooManyRedirects)));
        }
        let known = self.places.find(&hop.place, wiring)?;
        Some(Step::Hop(hop, known))
    }

    /// Its next request is this one. What it is sent as; where it goes, [`Conversation::lead`] says.
    pub fn take(&mut self, journey: usize, hop: Hop, label: usize) -> Chosen {
        let Some(journey) = &mut self.journeys[journey] else { return Chosen::default() };
        let Hop { request, is_head, keeps_body, crosses, .. } = hop;
        (journey.chosen.label, journey.chosen.is_head) = (label, is_head);
        journey.request = request.into();
        journey.upload = journey.upload.take().filter(|_| keeps_body);
        journey.redirects += 1;
        journey.is_trusted &= !crosses;
        journey.is_answered = false;
        journey.chosen
    }

    /// It is known where its next request goes. What that is sent as.
    pub fn lead(&mut self, journey: usize, origin: usize) -> Chosen {
        if let Some(journey) = &mut self.journeys[journey] {
            journey.chosen.origin = origin;
        }
        self.chosen(journey)
    }

    /// The label of a hop.
    pub fn label(&mut self, name: &str, recorder: &Recorder) -> usize {
        let is_new = !self.labels.contains_key(name);
        let name = if is_new && self.labels.len() >= MOST_LABELS - 1 { OTHER } else { name };
        *self.labels.entry(name.to_owned()).or_insert_with(|| recorder.label(name, Role::Request))
    }
}

/// Remembers the challenge of a response, if the request is to be sent again with an answer. One that was answered and
/// is neither new nor stale means that the password is wrong.
fn remember(challenges: &mut HashMap<usize, Remembered>, journey: &mut Journey, head: &[u8]) -> bool {
    if !journey.is_trusted || journey.is_answered || says_who(&journey.request) {
        return false;
    }
    let Some(challenge) = Challenge::find(&header_values(head, "www-authenticate")) else { return false };
    if journey.nonce.as_deref() == Some(&challenge.nonce[..]) && !challenge.is_stale {
        return false;
    }
    journey.is_answered = true;
    let is_known = |known: &Remembered| known.nonce[..] == challenge.nonce[..];
    if !challenge.is_stale && challenges.get(&journey.chosen.origin).is_some_and(is_known) {
        // Several were challenged at once: their answers are numbered on.
        return true;
    }
    let nonce = challenge.nonce.as_slice().into();
    challenges.insert(journey.chosen.origin, Remembered { challenge, nonce, answers: 0 });
    true
}

/// Whether a request says itself who it is from, whatever the plan does.
fn says_who(request: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    // One that cannot be read is sent as it is.
    parsed.parse(request).is_err()
        || parsed.headers.iter().any(|header| header.name.eq_ignore_ascii_case("authorization"))
}

/// A request with the answer to a challenge.
fn answering(known: &Remembered, who: &Credentials, cnonce: &str, request: &[u8]) -> Option<Rc<[u8]>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(body_at)) = parsed.parse(request) else { return None };
    let answer = known.challenge.answer(who, known.answers + 1, cnonce, parsed.method?, parsed.path?);
    let (head, body) = request.split_at(body_at);
    // Behind the other headers, before the empty line.
    let head = &head[..body_at - b"\r\n".len()];
    Some([head, b"Authorization: ", &answer, b"\r\n\r\n", body].concat().into())
}
