import Foundation
import Synchronization

/// Looks at the command lines and environments of all processes of this machine, again and again until it is stopped.
package final class ProcessWatch: Sendable {
    private let canaries: Canaries
    private let state = Mutex((seen: Set<Canaries.Sighting>(), looks: 0, isOver: false))

    /// Begins to look; the hosts of the practice cluster are containers of this machine and are looked at as well.
    package init(for canaries: Canaries) {
        self.canaries = canaries
        Thread.detachNewThread { [self] in
            // What was looked at before: most processes stay the same.
            var known: Set<Data> = []
            while !state.withLock({ $0.isOver }) {
                look(&known)
                Thread.sleep(forTimeInterval: 0.02)
            }
        }
    }

    /// Stops, and returns what was seen and how often it looked at a process.
    package func stop() -> (seen: Set<Canaries.Sighting>, looks: Int) {
        state.withLock {
            $0.isOver = true
            return ($0.seen, $0.looks)
        }
    }

    private func look(_ known: inout Set<Data>) {
        let own = "\(ProcessInfo.processInfo.processIdentifier)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var looks = 0
        var seen: Set<Canaries.Sighting> = []
        for name in names where name != own && name.allSatisfy(\.isNumber) {
            looks += 1
            for file in ["cmdline", "environ"] {
                guard let bytes = FileManager.default.contents(atPath: "/proc/\(name)/\(file)"),
                    known.insert(bytes).inserted
                else { continue }
                seen.formUnion(canaries.sightings(in: bytes, at: "/proc/*/\(file)"))
            }
        }
        state.withLock {
            $0.looks += looks
            $0.seen.formUnion(seen)
        }
    }
}
