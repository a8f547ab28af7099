import RemoteShell
import Testing

@testable import SSHTransport

@Suite("Commands over a real sshd", .sshd())
struct ExecTests {
    @Test("both streams and the exit status come back")
    func streams() async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let host = try server.host()
        let connection = try await transport.connect(to: host)
        let outcome = try await connection.run("echo out; echo err >&2; exit 3")
        #expect(outcome.output.text == "out\n")
        #expect(outcome.errorOutput.text == "err\n")
        #expect(outcome.end == ChannelEnd(exitStatus: 3))
        await transport.shutdown()
    }
}
