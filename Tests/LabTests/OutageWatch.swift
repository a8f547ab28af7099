import Foundation
import Testing

/// Looks about once a second at which nodes are out of service, as the load balancers and the API tell of it, while something is done.
///
/// A master is out when a load balancer was told to leave it, when its checks fail there, or when it is cordoned.
struct OutageWatch {
    /// How often it was looked.
    private(set) var looks = 0
    /// Looks at which one master was out.
    private(set) var looksWithOneOut = 0
    /// What was seen that must never be: two masters out, two workers cordoned, a load balancer that does not answer.
    private(set) var faults: [String] = []

    var summary: String {
        "\(looks) looks, at \(looksWithOneOut) of them one master was out; \(faults.count) with more than may be out"
    }

    private enum Part<Value: Sendable>: Sendable {
        case watched(OutageWatch)
        case done(Value)
    }

    /// Watches while `body` works; nodes in `operators` were cordoned by somebody else.
    static func during<Value: Sendable>(
        operators: Set<String> = [],
        _ body: @Sendable @escaping () async throws -> Value
    ) async throws -> (seen: Self, value: Value) {
        try await withThrowingTaskGroup(of: Part<Value>.self) { group in
            group.addTask { .watched(await watching(operators)) }
            group.addTask { .done(try await body()) }
            var watch = OutageWatch()
            var value: Value?
            while let part = try await group.next() {
                switch part {
                case .watched(let seen): watch = seen
                case .done(let result):
                    value = result
                    group.cancelAll()
                }
            }
            return (watch, try #require(value))
        }
    }

    private static func watching(_ operators: Set<String>) async -> OutageWatch {
        var watch = OutageWatch()
        while !Task.isCancelled {
            await watch.look(operators)
            do { try await Task.sleep(for: .seconds(1)) } catch { break }
        }
        return watch
    }

    private mutating func look(_ operators: Set<String>) async {
        var out: [String: Set<String>] = [:]
        for balancer in UpgradeDrill.balancers {
            do {
                for line in try await Lab.here.shell(balancer, UpgradeDrill.balancerScript).split(separator: "\n") {
                    // server BACKEND NAME ADMIN OPERATIONAL
                    let words = line.split(separator: " ").map(String.init)
                    guard words.count == 5, UpgradeDrill.masters.contains(words[2]) else { continue }
                    if words[3] != "0" { out[words[2], default: []].insert("told to leave on \(balancer)") }
                    if words[4] == "0" { out[words[2], default: []].insert("down on \(balancer)") }
                }
            } catch {
                guard !Task.isCancelled else { return }
                faults.append("\(Date()): \(balancer) does not answer: \(error)")
            }
        }
        // Through the VIP: a look that fails is none, and the run's own measurement counts it.
        let nodes = (try? await UpgradeDrill.nodes()) ?? [:]
        guard !Task.isCancelled else { return }
        let cordoned = Set(nodes.filter(\.value.isCordoned).keys).subtracting(operators)
        for name in cordoned.intersection(UpgradeDrill.masters) { out[name, default: []].insert("cordoned") }
        looks += 1
        if out.count == 1 { looksWithOneOut += 1 }
        if out.count > 1 { faults.append("\(Date()): \(out)") }
        let workers = cordoned.subtracting(UpgradeDrill.masters)
        if workers.count > 1 || (!workers.isEmpty && !out.isEmpty) { faults.append("\(Date()): \(workers), \(out)") }
    }
}
