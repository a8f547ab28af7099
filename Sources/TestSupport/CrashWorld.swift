package import RunEngine

/// Everything one case of a `CrashMatrix` acts on: hosts, the controller's disk, and what counts as the same in the end.
package protocol CrashWorld: Sendable {
    var trial: EngineTrial { get }

    /// What steps may use in a process that starts now, and finds the controller's disk as the one before left it.
    func services() throws -> StepServices

    /// The process dies at this moment: whatever it still does to the controller's disk is not there afterwards.
    func processDied()

    /// Calls `watch` at every boundary of the controller's own work between which a crash is another one.
    func watchBoundaries(_ watch: @escaping @Sendable () -> Void)

    /// What has to be the same however the run was disturbed, one thing a line; what is left over and should not be is a line
    /// as well.
    func endState() throws -> [String]

    /// The lines of the end state that this world says are whole, although the run ended as partly done; nil when it says
    /// itself that something is missing.
    func claim() throws -> [String]?

    /// Whether success with another end state is right all the same: nothing is missing, and the world tells the difference
    /// to who looks.
    func tells(differenceFrom endState: [String]) throws -> Bool

    /// What is on hosts and should be on none after a run that is over, one thing a line.
    func leftovers() -> [String]

    /// The plan of that run; hosts may not be as they were when `plan` was made.
    func nextPlan(after plan: Plan, by trial: EngineTrial) async throws -> Plan

    /// Another run on the same hosts and disk, as on the next day.
    func nextTrial() -> EngineTrial

    /// Removes what the world keeps on disk.
    func close()
}

extension CrashWorld {
    package func services() throws -> StepServices { StepServices() }
    package func processDied() {}
    package func watchBoundaries(_ watch: @escaping @Sendable () -> Void) {}
    package func claim() throws -> [String]? { nil }
    package func tells(differenceFrom endState: [String]) throws -> Bool { false }
    package func leftovers() -> [String] { [] }
    package func nextPlan(after plan: Plan, by trial: EngineTrial) async throws -> Plan { plan }
    package func nextTrial() -> EngineTrial { EngineTrial(beside: trial, random: 0x0000_0002) }
    package func close() {}
}
