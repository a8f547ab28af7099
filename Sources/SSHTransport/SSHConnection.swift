import ClusterModel
import NIOCore
import RemoteShell

/// A logged-in host as the port above sees it: forwards to its session on the event loop.
struct SSHConnection: ExecTransport {
    let host: HostName
    private let session: NIOLoopBound<SSHSession>
    private let loop: any EventLoop

    init(to host: HostName, session: SSHSession) {
        self.host = host
        loop = session.loop
        self.session = NIOLoopBound(session, eventLoop: session.loop)
    }

    func exec(_ request: ExecRequest) async throws(TransportError) -> ChannelEnd {
        let (host, session) = (host, session)
        return try await LoopReply<ChannelEnd>.wait(for: host, on: loop) { reply in
            let channel = ExecChannel(request, on: session.value) { result in
                reply.answer(
                    result.mapError {
                        TransportError(
                            $0.kind,
                            host: host,
                            $0.event,
                            next: $0.next,
                            commandMayHaveStarted: $0.mayHaveStarted
                        )
                    }
                )
            }
            reply.whenCancelled { channel.abandon(.cancelled, "stopped while the command ran") }
            channel.startTimers()
            session.value.add(channel)
        }
    }

    func close() async {
        let session = session
        try? await loop.submit { session.value.hangUp() }.get()
    }
}
