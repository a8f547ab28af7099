package import ClusterModel
package import RemoteShell
import RunEngine
import Synchronization

/// Hosts in memory behind the `HostConnection` port: they answer fact batches, operation records and the toy commands.
///
/// What is sent is understood from the very text that would go to a real host, so a change of those texts shows here.
package final class SimulatedCluster: HostConnections {
    /// One thing that was asked of a host.
    package struct Call: Sendable, Hashable {
        package enum Kind: Sendable, Hashable {
            case connect, identity, facts(Int), begin(String), look(String), remove(String), command(String), survey,
                claim(Int), release
        }
        package let host: HostName
        package let kind: Kind

        /// Whether it may change the host.
        package var isChanging: Bool {
            switch kind {
            case .begin: true
            case .command(let script): script == ToyCommand.set.description || script == ToyCommand.add.description
            default: false
            }
        }
    }

    /// What goes wrong with one call.
    package enum Fault: Sendable, Hashable {
        /// No connection; nothing reached the host.
        case unreachable
        /// The link broke and the command never arrived, which nobody can know.
        case lostBefore
        /// The command did its work and the link broke before its end was told.
        case lostAfter
        /// The host was restarted before or after the operation had its effect, in any case before its exit code.
        case rebootBefore, rebootAfter
        /// The process is gone without an exit code, after it had its effect.
        case vanish
        /// The host's key is another one.
        case keyChanged
    }

    private struct Core {
        var hosts: [HostName: SimulatedHost]
        var calls: [Call] = []
        var links: [HostName: Int] = [:]
        var busy: [HostName: Int] = [:]
        var mostBusy = 0
        var fault: @Sendable (Call) -> Fault? = { _ in nil }
        var watch: @Sendable (Call) -> Void = { _ in }
        var delay: @Sendable (Call) async -> Void = { _ in }
        /// How long operations take.
        var operationTime = Duration.zero
    }

    private let core: Mutex<Core>
    private let time: TestTime

    package init(_ cluster: Cluster, time: TestTime) {
        self.time = time
        core = Mutex(
            Core(
                hosts: cluster.hosts.reduce(into: [:]) {
                    $0[$1.name] = SimulatedHost(machineID: "machine-of-\($1.name)")
                }
            )
        )
    }

    /// Everything asked so far, in order.
    package var calls: [Call] { core.withLock { $0.calls } }
    /// Whether nothing was sent that may change a host.
    package var sentOnlyReads: Bool { !calls.contains { $0.isChanging } }
    /// Whether no host changed by anything that was sent.
    package var areUntouched: Bool { effects.values.allSatisfy { $0.isEmpty } }
    /// The most hosts that had something to do at the same moment.
    package var mostBusyHosts: Int { core.withLock { $0.mostBusy } }

    package subscript(host: String) -> SimulatedHost {
        get {
            core.withLock { core in core.hosts.first { $0.key.text == host }?.value } ?? SimulatedHost(machineID: "")
        }
        set {
            core.withLock { core in core.hosts.keys.filter { $0.text == host }.forEach { core.hosts[$0] = newValue } }
        }
    }

    /// The state of all hosts that a run is meant to bring about.
    package var values: [String: [String: String]] {
        core.withLock { core in
            core.hosts.reduce(into: [:]) { $0[$1.key.text] = $1.value.values }
        }
    }

    package var effects: [String: [String]] {
        core.withLock { core in core.hosts.reduce(into: [:]) { $0[$1.key.text] = $1.value.effects } }
    }

    /// Decides for every call whether, and how, it goes wrong; replaces the one before.
    package func inject(_ fault: @escaping @Sendable (Call) -> Fault?) { core.withLock { $0.fault = fault } }

    /// Is told of every call before it is answered.
    package func watch(_ watch: @escaping @Sendable (Call) -> Void) { core.withLock { $0.watch = watch } }

    /// Has calls wait before they are answered; it must return in the end, and not block its thread meanwhile.
    package func delay(_ delay: @escaping @Sendable (Call) async -> Void) { core.withLock { $0.delay = delay } }

    package func setOperationTime(_ duration: Duration) { core.withLock { $0.operationTime = duration } }

    package func connection(to host: Host) async throws(TransportError) -> any HostConnection {
        let call = Call(host: host.name, kind: .connect)
        let (fault, link) = begin(call)
        let isUp = core.withLock { $0.hosts[host.name]?.isUp ?? false }
        if fault == .keyChanged { throw TransportError(.hostKeyChanged, host: host.name, "its host key has changed") }
        guard isUp, fault == nil else { throw TransportError(.refused, host: host.name, "connection refused") }
        return SimulatedConnection(host: host.name, cluster: self, link: link)
    }

    /// Every connection is a new one here.
    package func drop(_ host: HostName) async {}

    private func begin(_ call: Call) -> (Fault?, link: Int) {
        let (fault, watch) = core.withLock { core in
            core.calls.append(call)
            return (core.fault, core.watch)
        }
        watch(call)
        return (fault(call), core.withLock { $0.links[call.host, default: 0] })
    }

    /// Answers a command that came over a link; a link that was lost stays lost.
    ///
    /// `partially` is given the result when the link breaks behind the command.
    func answer(
        _ command: RemoteCommand,
        on host: HostName,
        link: Int,
        partially: (CommandResult) -> Void = { _ in }
    ) async throws(TransportError) -> CommandResult {
        let sent = SentCommand(command)
        let call = Call(host: host, kind: sent.kind)
        core.withLock { core in
            core.busy[host, default: 0] += 1
            core.mostBusy = max(core.mostBusy, core.busy.values.count { $0 > 0 })
        }
        defer { core.withLock { $0.busy[host, default: 1] -= 1 } }
        let (fault, present) = begin(call)
        await core.withLock { $0.delay }(call)
        await Task.yield()
        guard link == present else { throw TransportError(.lost, host: host, "the session has ended") }
        let isUp = core.withLock { $0.hosts[host]?.isUp ?? false }
        guard isUp, fault != .unreachable else {
            breakLink(host)
            throw TransportError(.lost, host: host, "no answer", commandMayHaveStarted: true)
        }
        switch fault {
        case .keyChanged: throw TransportError(.hostKeyChanged, host: host, "its host key has changed")
        case .lostBefore:
            breakLink(host)
            throw TransportError(.lost, host: host, "connection reset", commandMayHaveStarted: true)
        case .rebootBefore, .rebootAfter, .vanish:
            core.withLock { $0.hosts[host]?.interrupt(sent, fault) }
            breakLink(host)
            throw TransportError(.lost, host: host, "connection reset", commandMayHaveStarted: true)
        case nil, .unreachable, .lostAfter: break
        }
        let result = execute(sent, on: host)
        if Task.isCancelled {
            throw TransportError(.cancelled, host: host, "cancelled", commandMayHaveStarted: true)
        }
        guard fault != .lostAfter else {
            breakLink(host)
            partially(result)
            throw TransportError(.lost, host: host, "connection reset", commandMayHaveStarted: true)
        }
        return result
    }

    private func breakLink(_ host: HostName) { core.withLock { $0.links[host, default: 0] += 1 } }

    private func execute(_ sent: SentCommand, on host: HostName) -> CommandResult {
        let (result, wait) = core.withLock { core in
            let duration = core.operationTime
            return core.hosts[host]?.execute(sent, at: time.uptime, operationTime: duration)
                ?? (CommandResult(exitCode: 127, text: ""), .zero)
        }
        if wait > .zero { time.advance(by: wait) }
        return result
    }
}

/// One link to a simulated host.
private struct SimulatedConnection: HostConnection {
    let host: HostName
    let cluster: SimulatedCluster
    let link: Int

    func run(
        _ command: RemoteCommand,
        input: CommandInput,
        limits: CommandLimits
    ) async throws(TransportError)
        -> CommandResult
    {
        try await cluster.answer(command, on: host, link: link)
    }

    func download(
        _ command: RemoteCommand,
        to sink: any ByteSink,
        limits: CommandLimits
    ) async throws(TransportError)
        -> CommandResult
    {
        let result = try await cluster.answer(command, on: host, link: link) { lost in
            let half = Array(lost.output.bytes.prefix(lost.output.bytes.count / 2))
            try? sink.write(unsafe half.span.bytes)
        }
        do { try sink.write(unsafe result.output.bytes.span.bytes) } catch {
            throw TransportError(.localStream, host: host, "\(error)", commandMayHaveStarted: true)
        }
        return CommandResult(exitCode: result.exitCode, output: CapturedBytes(), errorOutput: result.errorOutput)
    }
}
