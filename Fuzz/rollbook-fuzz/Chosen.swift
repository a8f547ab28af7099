import FuzzedParsers

/// What the callback of libFuzzer, a C function without a context, feeds.
enum Chosen {
    /// Set once, before the only thread of the process begins to fuzz.
    nonisolated(unsafe) static var parser = FuzzedParser.inventory
}
