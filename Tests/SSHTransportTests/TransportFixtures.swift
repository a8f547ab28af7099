import ClusterModel
import Crypto
import Logging
import RemoteShell
import Synchronization
import Testing

@testable import SSHTransport

/// Collects bytes, or only counts and hashes them.
final class Collector: ByteSink {
    private struct State {
        var bytes: [UInt8] = []
        var count = 0
        var hash = SHA256()
    }

    private let state = Mutex(State())
    private let keeps: Bool

    init(keeps: Bool = true) { self.keeps = keeps }

    func write(_ bytes: RawSpan) throws {
        unsafe bytes.withUnsafeBytes { chunk in
            state.withLock { state in
                if keeps { unsafe state.bytes += chunk }
                state.count += chunk.count
                unsafe state.hash.update(bufferPointer: chunk)
            }
        }
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var count: Int { state.withLock { $0.count } }
    var digest: String { hexadecimal(state.withLock { $0.hash.finalize() }) }
}

/// Trusts the keys it was given, for every host.
struct FixedHostKeys: HostKeyPolicy {
    var types: [String] = []
    var judge: @Sendable (String, [UInt8]) -> HostKeyVerdict

    init(trusting keys: [[UInt8]], types: [String] = []) {
        self.types = types
        judge = { type, key in
            keys.contains(key) ? .trusted : .unknown(offered: "\(type) \(HostKey.fingerprint(of: key))")
        }
    }

    init(types: [String] = [], judge: @escaping @Sendable (String, [UInt8]) -> HostKeyVerdict) {
        self.types = types
        self.judge = judge
    }

    func knownKeyTypes(forHost name: String, port: Int) -> [String] { types }

    func verdict(forHost name: String, port: Int, keyType: String, key: [UInt8]) -> HostKeyVerdict {
        judge(keyType, key)
    }
}

/// What a test got from one command.
struct Outcome {
    let end: ChannelEnd
    let output: Collector
    let errorOutput: Collector
}

extension ExecTransport {
    func run(
        _ line: String,
        input: (any ByteSource)? = nil,
        keeping: Bool = true,
        deadline: Duration = .seconds(60),
        idle: Duration? = nil
    )
        async throws -> Outcome
    {
        let (output, errorOutput) = (Collector(keeps: keeping), Collector(keeps: keeping))
        let request = ExecRequest(
            commandLine: line,
            input: input,
            output: output,
            errorOutput: errorOutput,
            deadline: deadline,
            idleLimit: idle
        )
        return Outcome(end: try await exec(request), output: output, errorOutput: errorOutput)
    }
}

extension SSHTransport {
    convenience init(trusting server: TestServer, type: String = "ed25519", options: SSHOptions = SSHOptions()) throws {
        self.init(
            options: options,
            hostKeys: FixedHostKeys(trusting: [try server.hostKey(type)]),
            logger: Logger(label: "test")
        )
    }
}
