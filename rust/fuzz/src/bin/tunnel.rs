//! A proxy that answers with any bytes in any slices: the tunnel stands at the same byte, or fails, wherever they fall.
#![no_main]

use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use loadgen_engine::outcome::ErrorKind;
use loadgen_engine::tunnel::{Tunnel, Way};
use loadgen_engine::wire::ProxyKind;

/// Where what comes through begins, if the tunnel stands, and what was said to the proxy.
type End = (Result<Option<usize>, ErrorKind>, Vec<u8>);

fn build<'a>(way: &Rc<Way>, parts: impl Iterator<Item = &'a [u8]>) -> End {
    let (mut out, mut before) = (Vec::new(), 0);
    let mut tunnel = Tunnel::begin(way, &mut out);
    for part in parts {
        match tunnel.receive(part, &mut out) {
            Ok(None) => before += part.len(),
            Ok(Some(taken)) => {
                assert!(taken <= part.len());
                return (Ok(Some(before + taken)), out);
            }
            Err(kind) => return (Err(kind), out),
        }
    }
    (Ok(None), out)
}

fuzz_target!(|data: &[u8]| {
    let Some((&shape, bytes)) = data.split_first() else { return };
    let kind = [ProxyKind::Http, ProxyKind::Socks5, ProxyKind::Socks5h][usize::from(shape & 3) % 3];
    let userinfo = (shape & 4 == 4).then(|| "user:password".to_owned());
    let way = Rc::new(Way { kind, userinfo, host: "example.com".into(), port: 443 });
    let whole = build(&way, std::iter::once(bytes));
    let sliced = build(&way, bytes.chunks(usize::from(shape >> 3) + 1));
    match (whole, sliced) {
        // A head is refused for its length once it is known not to be complete, which is later in one piece.
        ((_, _), (Err(_), _)) if bytes.len() > loadgen_engine::http::head::HEAD_LIMIT => {}
        (whole, sliced) => assert_eq!(whole, sliced),
    }
});
