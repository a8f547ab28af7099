/// Admits work up to a limit and lets the rest wait in order.
///
/// Confined to one event loop.
final class HandshakeGate {
    private let limit: Int
    private var underWay = 0
    private var waiting: [() -> Void] = []

    init(limit: Int) { self.limit = max(1, limit) }

    /// Runs `work` now or when its turn comes; every run must be followed by one `leave`.
    func enter(_ work: @escaping () -> Void) {
        if underWay < limit {
            underWay += 1
            work()
        } else {
            waiting.append(work)
        }
    }

    /// Gives the place to the next in line.
    func leave() {
        if waiting.isEmpty {
            underWay -= 1
        } else {
            waiting.removeFirst()()
        }
    }
}
