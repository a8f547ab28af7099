package import ClusterModel
import RemoteShell
import Synchronization

/// Reads facts, each once: all that is wanted of a host travels in one round trip.
package actor FactCache {
    private let cluster: Cluster
    private let connections: any HostConnections
    private let parallel: Int
    private var answers: [FactRequest: Result<ProbeBatch.Answer, FactFailure>] = [:]

    /// - Parameter parallel: hosts read at the same time.
    package init(cluster: Cluster, connections: any HostConnections, parallel: Int) {
        self.cluster = cluster
        self.connections = connections
        self.parallel = parallel
    }

    /// Reads those of `requests` that are not known yet; failures are kept and reported to whoever asks.
    package func prefetch(_ requests: [FactRequest]) async {
        var wanted: [HostName: [FactRequest]] = [:]
        var seen: Set<FactRequest> = []
        for request in requests where answers[request] == nil && seen.insert(request).inserted {
            wanted[request.host, default: []].append(request)
        }
        guard !wanted.isEmpty else { return }
        let hosts = cluster.hosts.filter { wanted[$0.name] != nil }
        await withTaskGroup(of: [(FactRequest, Result<ProbeBatch.Answer, FactFailure>)].self) { group in
            var waiting = hosts.makeIterator()
            func startNext() {
                guard let host = waiting.next() else { return }
                let requests = wanted[host.name] ?? []
                group.addTask(executorPreference: connections.executor) { [connections] in await Self.read(requests, of: host, over: connections) }
            }
            for _ in 0..<parallel { startNext() }
            while let batch = await group.next() {
                for (request, answer) in batch { answers[request] = answer }
                startNext()
            }
        }
    }

    /// A reader for looking at facts outside of any plan.
    package nonisolated func reader(of cluster: Cluster) -> any FactReader {
        RecordingFactReader(cluster: cluster, cache: self, views: StepServices())
    }

    /// The answer to one request; read now when it was not read ahead.
    func answer(to request: FactRequest) async throws(FactFailure) -> ProbeBatch.Answer {
        if answers[request] == nil { await prefetch([request]) }
        guard let answer = answers[request] else {
            throw FactFailure(
                host: request.host, fact: request.name,
                message: OperatorMessage(.refused, at: request.host.text, "no such host in the inventory"))
        }
        return try answer.get()
    }

    private static func read(_ requests: [FactRequest], of host: Host, over connections: any HostConnections) async
        -> [(FactRequest, Result<ProbeBatch.Answer, FactFailure>)]
    {
        let batch = ProbeBatch(requests.map(\.command))
        do {
            let connection = try await connections.connection(to: host)
            let output = CollectingSink(limit: 16 << 20)
            let result = try await connection.download(batch.command, to: output, limits: .short)
            let answers = batch.answers(output: output.bytes, errorOutput: result.errorOutput.bytes)
            return zip(requests, answers).map { request, answer in
                (request, answer.map(Result.success) ?? .failure(missing(request)))
            }
        } catch {
            return requests.map {
                ($0, .failure(FactFailure(host: host.name, fact: $0.name, message: error.message)))
            }
        }
    }

    private static func missing(_ request: FactRequest) -> FactFailure {
        FactFailure(
            host: request.host, fact: request.name,
            message: OperatorMessage(.refused, at: request.host.text, "the host's answer to \(request.name) is incomplete"))
    }
}

/// Collects bytes in memory up to a limit; more is an error, never a silent cut.
final class CollectingSink: ByteSink {
    private let collected = Mutex<[UInt8]>([])
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var bytes: [UInt8] { collected.withLock { $0 } }

    func write(_ bytes: RawSpan) throws {
        try collected.withLock { held in
            guard held.count + bytes.byteCount <= limit else { throw StepFault("more than \(limit) bytes of facts") }
            unsafe bytes.withUnsafeBytes { unsafe held.append(contentsOf: $0) }
        }
    }
}

/// Reads facts for one decision and remembers what it relied on.
final class RecordingFactReader: FactReader {
    let cluster: Cluster
    private let cache: FactCache
    private let views: StepServices
    private let recorded = Mutex<[Precondition]>([])

    init(cluster: Cluster, cache: FactCache, views: StepServices) {
        self.cluster = cluster
        self.cache = cache
        self.views = views
    }

    func view<View>(_ type: View.Type) throws -> View { try views.get(type) }

    /// What was read, each fact once, in the order of reading.
    var preconditions: [Precondition] { recorded.withLock { $0 } }

    func read<F: Fact>(_ fact: F, on host: HostName) async throws(FactFailure) -> F.Value {
        let answer = try await cache.answer(to: FactRequest(fact, on: host))
        do {
            let value = try fact.parse(answer)
            if let bound = try fact.bound(value) {
                let precondition = Precondition(host: host, fact: F.name, value: bound)
                recorded.withLock { if !$0.contains(precondition) { $0.append(precondition) } }
            }
            return value
        } catch let message as OperatorMessage {
            throw FactFailure(host: host, fact: F.name, message: message.completed(place: host.text))
        } catch {
            throw FactFailure(
                host: host, fact: F.name,
                message: OperatorMessage(.refused, at: host.text, "cannot make out \(F.name): \(error)"))
        }
    }
}
