import ClusterModel
package import Journal
package import RunEngine

/// A check that never mends: what it finds wrong has no remedy that is safe without a person.
package protocol LookingCheck: PreflightCheck {}

extension LookingCheck {
    package static var stepClass: StepClass { .read }
    package var fix: Bool? { false }

    package static func looking(_ summary: String) -> KindSignature {
        KindSignature(kind: "preflight.\(check.rawValue)", summary: summary, parameters: [])
    }
}

/// One fact of many hosts, where a host that cannot be asked hides nothing about the others.
struct SharedReading<Value: Sendable>: Sendable {
    /// In the order of the inventory.
    let known: [(host: Host, value: Value)]
    /// Hosts whose fact could not be read.
    let silent: [HostName]

    /// Reads a fact of `hosts`; it is the caller's own fact that decides whether the caller's host can be judged at all.
    init<F: Fact>(_ facts: any FactReader, of hosts: [Host], _ fact: (Host) -> F) async where F.Value == Value {
        var known: [(host: Host, value: Value)] = []
        var silent: [HostName] = []
        for host in hosts {
            do { known.append((host, try await facts.read(fact(host), on: host.name))) } catch {
                silent.append(host.name)
            }
        }
        self.known = known
        self.silent = silent
    }

    /// `; lb2 could not be asked`, or nothing.
    var remark: String {
        silent.isEmpty ? "" : "; \(silent.map(\.text).joined(separator: ", ")) could not be asked"
    }
}
