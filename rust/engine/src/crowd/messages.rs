//! The texts that sockets send, from templates: pure functions of the plan, the number of the message or socket, when it
//! is due, and in some what the acknowledgement of a subscription said.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::plan::{Message, Sockets};
use super::stages::Stage;
use crate::clock::time_of_day_ms;
use crate::plan::PlanError;
use crate::random;
use crate::record::block::Role;
use crate::record::recorder::Recorder;
use crate::template::{Template, Value, Values};

const UUID_STREAMS: [u64; 2] = [0x0011_D000, 0x0012_D000];
const RANDOM_STREAM: u64 = 0x0013_D000;

#[derive(Debug)]
struct Text {
    label: usize,
    is_binary: bool,
    template: Template,
}

/// See the module.
#[derive(Debug)]
pub struct Messages {
    /// All of these in each stage of a socket.
    of_stages: [Vec<Text>; 3],
    /// And one of these in the first.
    subscriptions: Vec<Text>,
    /// Those that have due times of their own.
    messages: Vec<Text>,
    rows: Vec<Vec<String>>,
    seed: u64,
    /// The text that was written last.
    pub written: Vec<u8>,
}

impl Messages {
    /// Those of a plan.
    pub fn new(plan: &Sockets, recorder: &Recorder) -> Result<Self, PlanError> {
        let columns = plan.rows.first().map_or(0, Vec::len);
        let mut labels: HashMap<String, usize> = HashMap::new();
        let mut read = |messages: &[Message], replies: usize| -> Result<Vec<Text>, PlanError> {
            let texts = messages.iter().map(|message| {
                let text = if message.binary {
                    let refuse = |error| PlanError(format!("sockets: {}: expected base64: {error}", message.label));
                    STANDARD.decode(&message.text).map_err(refuse)?
                } else {
                    message.text.clone().into_bytes()
                };
                let template = Template::parse(&text, message.encoding);
                let refuse = |what| Err(PlanError(format!("sockets: {}: {what}", message.label)));
                for value in template.values() {
                    match value {
                        Value::Column(column) if column >= columns => return refuse("a column that the rows have not"),
                        Value::Reply(place) if place >= replies => return refuse("a value of no reply that it knows"),
                        _ => {}
                    }
                }
                let label = labels.entry(message.label.clone());
                let label = *label.or_insert_with_key(|name| recorder.label(name, Role::Request));
                Ok(Text { label, is_binary: message.binary, template })
            });
            texts.collect()
        };
        Ok(Self {
            of_stages: [
                read(&plan.subscribe, 0)?,
                read(&plan.listing, plan.reply.len())?,
                read(&plan.unsubscribe, plan.reply.len())?,
            ],
            subscriptions: read(&plan.subscriptions, 0)?,
            messages: read(&plan.messages, 0)?,
            rows: plan.rows.clone(),
            seed: plan.seed,
            written: Vec::new(),
        })
    }

    /// How many texts a stage has.
    pub fn count(&self, stage: Stage) -> usize {
        self.of_stages[stage as usize].len() + usize::from(stage == Stage::Subscribe && !self.subscriptions.is_empty())
    }

    /// Whether one of them refers to the acknowledgement of a subscription.
    pub fn refers(&self, stage: Stage, place: usize) -> bool {
        let is_reply = |value| matches!(value, Value::Reply(_));
        self.of_stages[stage as usize].get(place).is_some_and(|text| text.template.values().any(is_reply))
    }

    /// Writes one of them: its label, and whether it is sent as bytes. `None` where the acknowledgement has not what it
    /// refers to.
    pub fn write_of(&mut self, stage: Stage, place: usize, filling: Filling<'_>) -> Option<(usize, bool)> {
        let own = |count: usize| (filling.number % count as u64) as usize;
        let text = self.of_stages[stage as usize].get(place);
        let text = text.unwrap_or_else(|| &self.subscriptions[own(self.subscriptions.len())]);
        let has = |value| !matches!(value, Value::Reply(place) if filling.reply.get(place).is_none_or(Option::is_none));
        if !text.template.values().all(has) {
            return None;
        }
        write(text, &self.rows, self.seed, filling, &mut self.written);
        Some((text.label, text.is_binary))
    }

    /// The label of message `number`.
    pub fn label(&self, number: u64) -> usize {
        self.messages[(number % self.messages.len() as u64) as usize].label
    }

    /// Writes message `number`. Whether it is sent as bytes.
    pub fn write(&mut self, filling: Filling<'_>) -> bool {
        let text = &self.messages[(filling.number % self.messages.len() as u64) as usize];
        write(text, &self.rows, self.seed, filling, &mut self.written);
        text.is_binary
    }
}

/// What a text is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'r> {
    /// The number of the message; of what belongs to a stage, that of the socket.
    pub number: u64,
    /// The socket.
    pub connection: u64,
    /// When it is due.
    pub due_ns: u64,
    /// Values of an acknowledgement, as JSON has them.
    pub reply: &'r [Option<Box<str>>],
}

/// Writes a text.
fn write(text: &Text, rows: &[Vec<String>], seed: u64, filling: Filling<'_>, into: &mut Vec<u8>) {
    let Filling { number, connection, due_ns, reply } = filling;
    let uuid = UUID_STREAMS.map(|stream| u128::from(random::bits(seed ^ stream, number)));
    let values = Values {
        row: if rows.is_empty() { &[] } else { &rows[(number % rows.len() as u64) as usize] },
        number,
        uuid: uuid[0] << 64 | uuid[1],
        random: random::bits(seed ^ RANDOM_STREAM, number),
        timestamp_ms: time_of_day_ms(),
        length: 0,
        due_ns,
        connection,
        reply,
    };
    into.clear();
    text.template.write(&values, into);
}
