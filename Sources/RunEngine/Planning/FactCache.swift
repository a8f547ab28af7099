package import ClusterModel
import RemoteShell
import Synchronization

/// Reads facts, each once: all that is wanted of a host travels in one round trip.
package actor FactCache {
    private let cluster: Cluster
    private let connections: any HostConnections
    private let parallel: Int
    private let time: (any TimeSource)?
    private var answers: [FactRequest: Result<ProbeBatch.Answer, FactFailure>] = [:]
    /// What answers were read as, and by which fact: checks that compare hosts read the same answer once for every host.
    private var values: [FactRequest: (fact: any Fact, value: any Sendable)] = [:]

    /// Begins without any answer; `parallel` is how many hosts are read at the same time.
    ///
    /// With `time`, answers carry when they were asked for and when they came: only so can hosts' clocks be compared.
    package init(
        cluster: Cluster,
        connections: any HostConnections,
        parallel: Int,
        time: (any TimeSource)? = nil
    ) {
        self.time = time
        self.cluster = cluster
        self.connections = connections
        self.parallel = max(1, parallel)
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
                group.addTask(executorPreference: connections.executor) { [connections, time] in
                    await Self.read(requests, of: host, over: connections, time)
                }
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
                host: request.host,
                fact: request.name,
                message: OperatorMessage(.refused, at: request.host.text, "no such host in the inventory")
            )
        }
        return try answer.get()
    }

    /// The value of one fact on one host, made of its answer once.
    func value<F: Fact>(of fact: F, on host: HostName) async throws -> F.Value {
        let request = FactRequest(fact, on: host)
        if let known = values[request], known.fact as? F == fact, let value = known.value as? F.Value { return value }
        let value = try fact.parse(try await answer(to: request))
        values[request] = (fact, value)
        return value
    }

    private static func read(
        _ requests: [FactRequest],
        of host: Host,
        over connections: any HostConnections,
        _ time: (any TimeSource)?
    ) async
        -> [(FactRequest, Result<ProbeBatch.Answer, FactFailure>)]
    {
        do {
            let answers: [ProbeBatch.Answer?]
            do {
                answers = try await ask(requests, of: host, over: connections, time)
            } catch  where error.kind == .lost {
                // Reading twice is harmless, and a link that was idle for long may be found dead only now.
                await connections.drop(host.name)
                answers = try await ask(requests, of: host, over: connections, time)
            }
            return zip(requests, answers).map { request, answer in
                (request, answer.map(Result.success) ?? .failure(missing(request)))
            }
        } catch {
            return requests.map {
                ($0, .failure(FactFailure(host: host.name, fact: $0.name, message: error.ofReading.message)))
            }
        }
    }

    private static func ask(
        _ requests: [FactRequest],
        of host: Host,
        over connections: any HostConnections,
        _ time: (any TimeSource)?
    ) async throws(TransportError) -> [ProbeBatch.Answer?] {
        let batch = ProbeBatch(requests.map(\.command))
        let connection = try await connections.connection(to: host)
        let output = CollectingSink(limit: 16 << 20, time: time)
        // Not before the connection is there: logging in may take seconds.
        let asked = time?.uptime
        let result = try await connection.download(batch.command, to: output, limits: .short)
        return batch.answers(output: output.bytes, errorOutput: result.errorOutput.bytes) { end in
            guard let asked, let come = output.arrival(of: end), asked <= come else { return nil }
            return asked...come
        }
    }

    private static func missing(_ request: FactRequest) -> FactFailure {
        FactFailure(
            host: request.host,
            fact: request.name,
            message: OperatorMessage(
                .refused,
                at: request.host.text,
                "the host's answer to \(request.name) is incomplete"
            )
        )
    }
}

extension TransportError {
    /// The same error of a command that only read: whether it ran or not, nothing was changed.
    var ofReading: TransportError {
        TransportError(kind, host: host, event, next: next, commandMayHaveStarted: false)
    }
}

/// Collects bytes in memory up to a limit; more is an error, never a silent cut.
final class CollectingSink: ByteSink {
    private struct Held {
        var bytes: [UInt8] = []
        /// How many bytes were there at which uptime.
        var arrivals: [(count: Int, at: Duration)] = []
    }

    private let collected = Mutex(Held())
    private let limit: Int
    private let time: (any TimeSource)?

    init(limit: Int, time: (any TimeSource)? = nil) {
        self.limit = limit
        self.time = time
    }

    var bytes: [UInt8] { collected.withLock { $0.bytes } }

    /// The uptime at which the first `count` bytes were there; nil when they are not, or without a clock.
    func arrival(of count: Int) -> Duration? {
        collected.withLock { held in held.arrivals.first { $0.count >= count }?.at }
    }

    func write(_ bytes: RawSpan) throws {
        try collected.withLock { held in
            guard held.bytes.count + bytes.byteCount <= limit else {
                throw StepFault("more than \(limit) bytes of facts")
            }
            unsafe bytes.withUnsafeBytes { unsafe held.bytes.append(contentsOf: $0) }
            if let time { held.arrivals.append((held.bytes.count, time.uptime)) }
        }
    }
}
