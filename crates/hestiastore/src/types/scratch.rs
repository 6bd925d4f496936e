//! Buffers that a thread keeps, so that encoding a compound key or value allocates nothing in the long run.
//!
//! At most [`KEPT_BUFFERS`] of at most [`KEPT_BYTES`] each are kept per thread.

use std::cell::Cell;

/// A `put` needs one for the key and one for the value; components nest.
const KEPT_BUFFERS: usize = 4;
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    static POOL: Cell<Vec<Vec<u8>>> = const { Cell::new(Vec::new()) };
}

/// Lets `fill` write into an empty buffer and gives the result to `f`. May nest.
pub(super) fn with_buffer<R>(fill: impl FnOnce(&mut Vec<u8>), f: impl FnOnce(&[u8]) -> R) -> R {
    let mut buffer = take();
    fill(&mut buffer);
    let result = f(&buffer);
    give_back(buffer);
    result
}

// While a thread ends its pool is gone; then the buffer is a plain one.
fn take() -> Vec<u8> {
    let pooled = POOL.try_with(|cell| {
        let mut pool = cell.take();
        let buffer = pool.pop();
        cell.set(pool);
        buffer
    });
    pooled.ok().flatten().unwrap_or_default()
}

fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        return;
    }
    buffer.clear();
    let _ = POOL.try_with(|cell| {
        let mut pool = cell.take();
        if pool.len() < KEPT_BUFFERS {
            pool.push(buffer);
        }
        cell.set(pool);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<usize> {
        let pool = POOL.take();
        let capacities = pool.iter().map(Vec::capacity).collect();
        POOL.set(pool);
        capacities
    }

    #[test]
    fn buffers_nest_and_start_empty() {
        with_buffer(
            |out| out.extend_from_slice(b"outer"),
            |outer| {
                with_buffer(
                    |out| out.extend_from_slice(b"inner"),
                    |inner| assert_eq!((outer, inner), (&b"outer"[..], &b"inner"[..])),
                );
            },
        );
        with_buffer(|_| (), |bytes| assert_eq!(bytes, b""));
        assert_eq!(kept().len(), 2);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        with_buffer(|out| out.resize(KEPT_BYTES + 1, 0), |_| ());
        assert_eq!(kept(), []);
        fn nest(depth: usize) {
            if depth > 0 {
                with_buffer(|out| out.push(1), |_| nest(depth - 1));
            }
        }
        nest(2 * KEPT_BUFFERS);
        assert_eq!(kept().len(), KEPT_BUFFERS);
    }
}
