package import ClusterModel
import Synchronization

/// A host connection whose results are proven by the command frame, over any byte transport.
package struct FramedConnection: HostConnection {
    private let transport: any ExecTransport
    private let become: Become
    private let password: Secret?
    private let makeNonce: @Sendable () -> String

    /// Frames the commands of one transport.
    ///
    /// `password` is for `Become.sudoWithPassword`; the caller reads it from the file that the inventory names.
    package init(
        _ transport: any ExecTransport,
        become: Become,
        password: Secret? = nil,
        makeNonce: @escaping @Sendable () -> String = { randomNonce() }
    ) {
        self.transport = transport
        self.become = become
        self.password = password
        self.makeNonce = makeNonce
    }

    package var host: HostName { transport.host }

    package func run(
        _ command: RemoteCommand,
        input: CommandInput,
        limits: CommandLimits
    ) async throws(TransportError)
        -> CommandResult
    {
        let capture = CaptureSink()
        let exchange = try await exchange(command, input: input, output: capture, limits: limits)
        return CommandResult(exitCode: exchange.exitCode, output: capture.finished, errorOutput: exchange.errorOutput)
    }

    package func download(
        _ command: RemoteCommand,
        to sink: any ByteSink,
        limits: CommandLimits
    )
        async throws(TransportError) -> CommandResult
    {
        let exchange = try await exchange(command, input: .none, output: sink, limits: limits)
        return CommandResult(
            exitCode: exchange.exitCode,
            output: CapturedBytes(),
            errorOutput: exchange.errorOutput
        )
    }

    private func exchange(
        _ command: RemoteCommand,
        input: CommandInput,
        output: any ByteSink,
        limits: CommandLimits
    ) async throws(TransportError) -> (exitCode: Int, errorOutput: CapturedBytes) {
        let frame = CommandFrame(nonce: makeNonce(), command: command, become: become)
        let wire = frame.wire(password: password)
        let framed = FrameSink(nonce: frame.nonce, downstream: output)
        let errors = CaptureSink()
        let request = ExecRequest(
            commandLine: wire.line,
            input: FrameSource.joining(wire.prefix, input),
            output: framed,
            errorOutput: errors,
            deadline: limits.deadline,
            idleLimit: limits.idle
        )
        var failure: TransportError?
        do { _ = try await transport.exec(request) } catch { failure = error }

        let ending: FrameScanner.Ending
        do { ending = try framed.finish() } catch {
            throw TransportError(
                .localStream,
                host: host,
                "cannot store what the host sends: \(error)",
                commandMayHaveStarted: true
            )
        }
        switch ending {
        case .ended(let exitCode, _):
            // A link that broke behind the end line took nothing away, but a sink that failed did.
            if let failure, failure.kind == .localStream { throw failure }
            return (exitCode, errors.finished)
        case .neverBegan:
            let said = errors.finished.text.split(separator: "\n").first.map(String.init) ?? ""
            throw TransportError(
                .becomeRefused,
                host: host,
                said.isEmpty ? "sudo refused" : "sudo refused: \(said)",
                next: SudoRefusal.next(after: said)
            )
        case .unfinished:
            throw failure
                ?? TransportError(
                    .lost,
                    host: host,
                    "the channel closed before the command's end was reported",
                    commandMayHaveStarted: true
                )
        }
    }
}

/// 32 hexadecimal digits from the system's random source.
package func randomNonce() -> String {
    func word() -> String {
        let hex = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - hex.count) + hex
    }
    return word() + word()
}

/// Feeds the frame scanner and passes the command's own bytes on.
private final class FrameSink: ByteSink {
    private let scanner: Mutex<FrameScanner>
    private let downstream: any ByteSink

    init(nonce: String, downstream: any ByteSink) {
        scanner = Mutex(FrameScanner(nonce: nonce))
        self.downstream = downstream
    }

    var mayBlock: Bool { downstream.mayBlock }

    func write(_ bytes: RawSpan) throws {
        try scanner.withLock { try $0.scan(bytes) { try downstream.write($0) } }
    }

    /// Delivers what was held back and says how the stream ended.
    func finish() throws -> FrameScanner.Ending {
        let ending = scanner.withLock { $0.ending }
        if case .ended(_, let rest) = ending, !rest.isEmpty { try downstream.write(unsafe rest.span.bytes) }
        return ending
    }
}

/// Keeps what a command prints, within the bounds of `CapturedBytes`.
final class CaptureSink: ByteSink {
    private let captured = Mutex(CapturedBytes())

    func write(_ bytes: RawSpan) { captured.withLock { $0.append(bytes) } }

    var finished: CapturedBytes {
        captured.withLock {
            $0.finish()
            return $0
        }
    }
}

/// The frame's own bytes followed by the command's input.
private final class FrameSource: ByteSource {
    private let prefix: Mutex<[UInt8]>
    private let rest: (any ByteSource)?

    private init(prefix: [UInt8], rest: (any ByteSource)?) {
        self.prefix = Mutex(prefix)
        self.rest = rest
    }

    static func joining(_ prefix: [UInt8], _ input: CommandInput) -> (any ByteSource)? {
        switch input {
        case .none: prefix.isEmpty ? nil : FrameSource(prefix: prefix, rest: nil)
        case .bytes(let bytes): FrameSource(prefix: prefix + bytes, rest: nil)
        case .secret(let secret):
            FrameSource(
                prefix: prefix + secret.withBytes { span in unsafe span.withUnsafeBytes { unsafe Array($0) } },
                rest: nil
            )
        case .stream(let source): FrameSource(prefix: prefix, rest: source)
        }
    }

    func read(upTo limit: Int) throws -> [UInt8] {
        let first = prefix.withLock { held in
            let part = Array(held.prefix(limit))
            held.removeFirst(part.count)
            return part
        }
        if !first.isEmpty { return first }
        return try rest?.read(upTo: limit) ?? []
    }
}
