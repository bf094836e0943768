//! The requests of a blast: which of them arrival `k` takes, and its bytes. Both are pure functions of the plan and
//! `k`, so N workers need no coordinator; only `{{timestamp}}` and `{{due_ns}}` depend on when.
//!
//! ```text
//!   k ──▶ target   k mod targets, or drawn by weight from (seed, k)
//!   k ──▶ row      k mod rows
//!   (target, row) ──▶ rendered before the run where all of that fits into PRERENDERED_BYTES and is fixed,
//!                     else written into a buffer that is used again
//! ```

use std::collections::HashMap;
use std::rc::Rc;

use crate::clock::time_of_day_ms;
use crate::http::request::{Rendered, decode_body, open_body, render, render_parts};
use crate::plan::{Encoding, Mix, Plan, PlanError, Request, Target};
use crate::random;
use crate::record::block::Role;
use crate::record::recorder::Recorder;
use crate::template::{Template, Value, Values};
use crate::upload::Upload;

/// What may be rendered before the run; beyond, requests are rendered when they are sent.
const PRERENDERED_BYTES: usize = 64 << 20;
/// Keep the draws of a blast apart from those of its arrivals, which have the same seed.
const TARGET_STREAM: u64 = 0x7A26_E700;
const UUID_STREAMS: [u64; 2] = [0x0001_D000, 0x0002_D000];
const RANDOM_STREAM: u64 = 0x0003_D000;

/// What an arrival takes; of a hop, where it goes and as what it counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chosen {
    /// The number of the arrival.
    pub number: u64,
    /// Where it goes, by number.
    pub origin: usize,
    /// The label under which it counts.
    pub label: usize,
    /// Its response has no body.
    pub is_head: bool,
    target: usize,
}

/// See the module.
pub struct Requests {
    /// The one request of most runs; of others, whatever was chosen last.
    current: Rc<[u8]>,
    first: Chosen,
    /// Of the one request, where its body is read while it is sent.
    upload: Option<Rc<Upload>>,
    many: Option<Box<Many>>,
}

struct Many {
    targets: Vec<Rendering>,
    /// Of each origin, that of the first target that goes there.
    labels_of_origins: Vec<usize>,
    /// The sums of weights up to each target; empty where they come in turn.
    weights: Vec<f64>,
    rows: Vec<Vec<String>>,
    seed: u64,
    /// Arrivals of the closed model are numbered as they begin.
    next_number: u64,
    workers: u64,
    head: Vec<u8>,
    body: Vec<u8>,
}

struct Rendering {
    chosen: Chosen,
    line: Template,
    headers: Template,
    body: Template,
    /// By row where the target has values of rows, else one; empty where it is rendered when it is sent.
    ready: Vec<Rc<[u8]>>,
}

impl Requests {
    /// One worker's view of what a plan sends.
    pub fn new(plan: &Plan, recorder: &Recorder, index: u32) -> Result<Self, PlanError> {
        if let Some(request) = &plan.request {
            let upload = open_body(request)?.map(Rc::new);
            let Rendered { bytes, is_head } = render(request, upload.as_deref())?;
            let label = recorder.label(&plan.label, Role::Request);
            let first = Chosen { number: 0, origin: 0, label, is_head, target: 0 };
            return Ok(Self { current: bytes.into(), first, upload, many: None });
        }
        let mix = plan.mix.as_ref().ok_or_else(|| PlanError("a plan without a request".into()))?;
        let many = Many::new(mix, recorder, u64::from(index), u64::from(plan.workers))?;
        Ok(Self { current: Rc::new([]), first: many.targets[0].chosen, upload: None, many: Some(Box::new(many)) })
    }

    /// The target of an arrival. Without a number it is the next that this worker begins.
    #[inline]
    pub fn choose(&mut self, number: Option<u64>) -> Chosen {
        match &mut self.many {
            None => self.first,
            Some(many) => many.choose(number),
        }
    }

    /// The bytes of what was chosen, and the body that follows them where it is read while it is sent.
    #[inline]
    pub fn bytes(&mut self, chosen: Chosen, due_ns: u64) -> (&Rc<[u8]>, Option<&Rc<Upload>>) {
        if let Some(many) = &mut self.many {
            self.current = many.bytes(chosen, due_ns);
        }
        (&self.current, self.upload.as_ref())
    }

    /// The labels that arrivals of a plan have.
    pub fn labels(&self, plan: &Plan) -> HashMap<String, usize> {
        let Some(many) = &self.many else { return HashMap::from([(plan.label.clone(), self.first.label)]) };
        let targets = plan.mix.iter().flat_map(|mix| &mix.targets).zip(&many.targets);
        targets.map(|(target, rendering)| (target.label.clone(), rendering.chosen.label)).collect()
    }

    /// Whether arrivals differ in their labels.
    pub fn is_many(&self) -> bool {
        self.many.is_some()
    }

    /// A label of what goes to an origin, for what belongs to no arrival.
    pub fn label_of(&self, origin: usize) -> usize {
        let known = self.many.as_ref().and_then(|many| many.labels_of_origins.get(origin).copied());
        known.unwrap_or(self.first.label)
    }

    /// The label of what belongs to no arrival.
    pub fn first_label(&self) -> usize {
        self.first.label
    }
}

impl Many {
    fn new(mix: &Mix, recorder: &Recorder, index: u64, workers: u64) -> Result<Self, PlanError> {
        let mut labels: HashMap<&str, usize> = HashMap::new();
        let mut targets = Vec::new();
        for (number, target) in mix.targets.iter().enumerate() {
            let label =
                *labels.entry(target.label.as_str()).or_insert_with(|| recorder.label(&target.label, Role::Request));
            let rendering = Rendering::new(number, target, label, mix)
                .map_err(|PlanError(text)| PlanError(format!("mix.targets[{number}].{text}")))?;
            targets.push(rendering);
        }
        let mut labels_of_origins = vec![0; mix.hosts.len()];
        for Rendering { chosen, .. } in targets.iter().rev() {
            labels_of_origins[chosen.origin] = chosen.label;
        }
        let weights = mix.targets.iter().filter_map(|target| target.weight);
        let weights = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let mut many = Self {
            weights: weights.collect(),
            targets,
            labels_of_origins,
            rows: mix.rows.clone(),
            seed: mix.seed,
            next_number: index,
            workers,
            head: Vec::new(),
            body: Vec::new(),
        };
        many.render_what_is_fixed();
        Ok(many)
    }

    /// Until the memory for it is used up, the targets in their order.
    fn render_what_is_fixed(&mut self) {
        let mut left = PRERENDERED_BYTES;
        for target in 0..self.targets.len() {
            let values: Vec<Value> = self.targets[target].values().collect();
            let rows = if values.iter().any(|value| matches!(value, Value::Column(_))) { self.rows.len() } else { 1 };
            if values.iter().any(Value::is_of_an_arrival) {
                continue;
            }
            let mut ready = Vec::with_capacity(rows);
            for row in 0..rows as u64 {
                self.write(target, row, 0);
                let Some(rest) = left.checked_sub(self.head.len()) else {
                    ready.clear();
                    break;
                };
                left = rest;
                ready.push(self.head.as_slice().into());
            }
            self.targets[target].ready = ready;
        }
    }

    fn choose(&mut self, number: Option<u64>) -> Chosen {
        let number = number.unwrap_or_else(|| {
            let next = self.next_number;
            self.next_number += self.workers;
            next
        });
        Chosen { number, ..self.targets[self.target_of(number)].chosen }
    }

    fn target_of(&self, number: u64) -> usize {
        match self.weights.last() {
            None => (number % self.targets.len() as u64) as usize,
            Some(sum) => {
                let point = random::uniform(self.seed ^ TARGET_STREAM, number) * sum;
                self.weights.partition_point(|up_to| *up_to < point).min(self.targets.len() - 1)
            }
        }
    }

    fn bytes(&mut self, chosen: Chosen, due_ns: u64) -> Rc<[u8]> {
        let ready = &self.targets[chosen.target].ready;
        if ready.is_empty() {
            self.write(chosen.target, chosen.number, due_ns);
            return self.head.as_slice().into();
        }
        Rc::clone(&ready[(chosen.number % ready.len() as u64) as usize])
    }

    /// The whole request into `head`.
    fn write(&mut self, target: usize, number: u64, due_ns: u64) {
        let Self { rows, seed, head, body, .. } = self;
        let Rendering { line, headers, body: body_template, .. } = &self.targets[target];
        let uuid = UUID_STREAMS.map(|stream| u128::from(random::bits(*seed ^ stream, number)));
        let mut values = Values {
            row: if rows.is_empty() { &[] } else { &rows[(number % rows.len() as u64) as usize] },
            number,
            uuid: uuid[0] << 64 | uuid[1],
            random: random::bits(*seed ^ RANDOM_STREAM, number),
            timestamp_ms: time_of_day_ms(),
            due_ns,
            ..Values::default()
        };
        head.clear();
        body.clear();
        body_template.write(&values, body);
        values.length = body.len();
        line.write(&values, head);
        headers.write(&values, head);
        head.extend_from_slice(body);
    }
}

impl Rendering {
    fn new(number: usize, target: &Target, label: usize, mix: &Mix) -> Result<Self, PlanError> {
        let Request { method, url, headers, .. } = &target.request;
        let body = decode_body(&target.request)?;
        let mut headers = headers.clone();
        let has_length = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if body.is_some() && !has_length {
            headers.push(("Content-Length".into(), "{{length}}".into()));
        }
        let Rendered { bytes, is_head } = render_parts(method, url, &headers, None)?;
        let end_of_line = bytes.iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |end| end + 1);
        let (line, headers) = bytes.split_at(end_of_line);
        let rendering = Self {
            chosen: Chosen { number: 0, origin: target.host, label, is_head, target: number },
            line: Template::parse(line, Encoding::Percent),
            headers: Template::parse(headers, Encoding::Raw),
            body: Template::parse(body.as_deref().unwrap_or_default(), target.encoding),
            ready: Vec::new(),
        };
        rendering.check(mix)?;
        Ok(rendering)
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        [&self.line, &self.headers, &self.body].into_iter().flat_map(Template::values)
    }

    fn check(&self, mix: &Mix) -> Result<(), PlanError> {
        let columns = mix.rows.first().map_or(0, Vec::len);
        if self.values().any(|value| matches!(value, Value::Column(column) if column >= columns)) {
            return Err(PlanError("request: a column that the rows have not".into()));
        }
        for value in self.headers.values() {
            let Value::Column(column) = value else { continue };
            if mix.rows.iter().any(|row| row[column].contains(['\r', '\n', '\0'])) {
                return Err(PlanError("headers: a line break in a value".into()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::block::Block;

    fn requests(index: u32, body: &str, weights: [&str; 2], rows: &str) -> Requests {
        let target = |path: &str, weight: &str| {
            format!(
                r#"{{"request": {{"method": "POST", "url": "http://a/{path}", "headers": [], "body": "{body}"}},
                    "encoding": "json", "label": "{path}", "host": 0, "weight": {weight}}}"#
            )
        };
        let plan = format!(
            r#"{{"schema": "loadgen/plan/1", "addresses": ["127.0.0.1:1"], "workers": 3, "pacing": "eco",
                "connections": null, "timeout_ns": 1, "drain_ns": 0, "reactor": "auto",
                "load": {{"model": "closed", "stages": [{{"duration_ns": 1, "from_users": 1, "to_users": 1}}]}},
                "mix": {{"targets": [{}, {}], "hosts": [{{"url": "", "addresses": ["127.0.0.1:1"]}}],
                         "rows": {rows}, "seed": 5}}}}"#,
            target("one", weights[0]),
            target("two?q={{0}}", weights[1]),
        );
        let plan = Plan::read(plan.as_bytes()).unwrap();
        Requests::new(&plan, &Recorder::new(Block::create(2).unwrap()), index).unwrap()
    }

    fn text(requests: &mut Requests, number: Option<u64>) -> String {
        let chosen = requests.choose(number);
        String::from_utf8(requests.bytes(chosen, 0).0.to_vec()).unwrap()
    }

    #[test]
    fn what_is_rendered_before_is_what_would_be_rendered_then() {
        // {"{{0}}"} and {"{{0}}{{k}}"}: the second cannot be rendered before.
        let bodies = [("eyJ7ezB9fSJ9", ""), ("eyJ7ezB9fXt7a319In0=", "K")];
        for (body, number) in bodies {
            let mut requests = requests(0, body, ["null", "null"], r#"[["a\""], ["b c"], ["d"]]"#);
            let many = requests.many.as_ref().unwrap();
            assert_eq!(many.targets[0].ready.len(), if number.is_empty() { 3 } else { 0 });
            for k in 0..12 {
                let row = ["a\\\"", "b c", "d"][k % 3];
                let number = number.replace('K', &k.to_string());
                let written = text(&mut requests, Some(k as u64));
                let path = ["/one", ["/two?q=a%22", "/two?q=b%20c", "/two?q=d"][k % 3]][k % 2];
                let body = format!("{{\"{row}{number}\"}}");
                assert!(written.starts_with(&format!("POST {path} HTTP/1.1\r\nHost: a\r\n")), "{written}");
                assert!(written.ends_with(&format!("Content-Length: {}\r\n\r\n{body}", body.len())), "{written}");
            }
        }
    }

    #[test]
    fn weights_are_drawn_and_the_same_for_every_worker() {
        let draw = |index| {
            let mut requests = requests(index, "", ["3", "1"], r#"[["a"]]"#);
            (0..4000).map(|k| requests.choose(Some(k)).label).collect::<Vec<_>>()
        };
        let drawn = draw(0);
        assert_eq!(drawn, draw(2));
        let second = drawn.iter().filter(|label| **label == 1).count();
        // Five standard deviations of 27.
        assert!((865..=1135).contains(&second), "{second}");
    }

    #[test]
    fn without_numbers_each_worker_counts_its_own() {
        let mut requests = requests(2, "", ["null", "null"], r#"[["a"]]"#);
        assert_eq!([(); 3].map(|()| requests.choose(None).number), [2, 5, 8]);
    }
}
