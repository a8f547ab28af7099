import ClusterModel
import RemoteShell
import Synchronization

/// Reads facts for one decision and remembers what it relied on.
final class RecordingFactReader: FactReader {
    let cluster: Cluster
    private let cache: FactCache
    private let views: StepServices
    private let recorded = Mutex<[Precondition]>([])
    private let failed = Mutex<[FactFailure]>([])

    init(cluster: Cluster, cache: FactCache, views: StepServices) {
        self.cluster = cluster
        self.cache = cache
        self.views = views
    }

    func view<View>(_ type: View.Type) throws -> View { try views.get(type) }

    /// What was read, each fact once, in the order of reading.
    var preconditions: [Precondition] { recorded.withLock { $0 } }

    /// What could not be read, in the order of asking.
    var failures: [FactFailure] { failed.withLock { $0 } }

    func read<F: Fact>(_ fact: F, on host: HostName) async throws(FactFailure) -> F.Value {
        do throws(FactFailure) { return try await value(of: fact, on: host) } catch {
            failed.withLock { $0.append(error) }
            throw error
        }
    }

    private func value<F: Fact>(of fact: F, on host: HostName) async throws(FactFailure) -> F.Value {
        do {
            let value = try await cache.value(of: fact, on: host)
            if let bound = try fact.bound(value) {
                let precondition = Precondition(host: host, fact: F.name, value: bound)
                recorded.withLock { if !$0.contains(precondition) { $0.append(precondition) } }
            }
            return value
        } catch let failure as FactFailure {
            throw failure
        } catch let message as OperatorMessage {
            throw FactFailure(host: host, fact: F.name, message: message.completed(place: host.text))
        } catch {
            throw FactFailure(
                host: host,
                fact: F.name,
                message: OperatorMessage(.refused, at: host.text, "cannot make out \(F.name): \(error)")
            )
        }
    }
}
