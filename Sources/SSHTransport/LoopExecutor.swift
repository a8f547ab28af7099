import NIOCore

/// Runs tasks on the event loop that their connections live on.
///
/// A task that talks to hosts otherwise changes threads at every answer, twice; with a hundred hosts on a busy machine
/// that is a tenth of the time. Only for tasks that do little between their awaits: they hold up all connections.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
