import ClusterModel
import NIOCore
import RemoteShell

/// Carries one result from the event loop to the task that waits for it, and the task's cancellation back.
///
/// `@unchecked Sendable` holds because everything but the reference itself is touched on the loop only.
final class LoopReply<Value: Sendable>: @unchecked Sendable {
    private let loop: any EventLoop
    private let host: HostName
    private var continuation: CheckedContinuation<Result<Value, TransportError>, Never>?
    private var isCancelled = false
    /// What to do about a cancellation while the work is under way; it must lead to an answer.
    private var onCancel: (() -> Void)?

    private init(for host: HostName, on loop: any EventLoop) {
        self.host = host
        self.loop = loop
    }

    /// Runs `work` on the loop and waits for its answer.
    static func wait(
        for host: HostName,
        on loop: any EventLoop,
        _ work: @escaping @Sendable (LoopReply<Value>) -> Void
    ) async throws(TransportError) -> Value {
        let reply = LoopReply(for: host, on: loop)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.execute {
                    reply.continuation = continuation
                    if reply.isCancelled { reply.cancel() } else { work(reply) }
                }
            }
        } onCancel: {
            loop.execute { reply.cancel() }
        }
        return try result.get()
    }

    func answer(_ result: Result<Value, TransportError>) {
        loop.preconditionInEventLoop()
        continuation?.resume(returning: result)
        continuation = nil
        onCancel = nil
    }

    /// Sets what a cancellation does; without it the task is answered and the work goes on unwatched.
    func whenCancelled(_ action: @escaping () -> Void) {
        loop.preconditionInEventLoop()
        onCancel = action
    }

    private func cancel() {
        isCancelled = true
        if let onCancel {
            onCancel()
        } else {
            answer(.failure(TransportError(.cancelled, host: host, "stopped before anything was sent")))
        }
    }
}
