/// Something that lives on one channel of a session: a command or a tunnel.
protocol SessionChannel: AnyObject {
    /// The `direct-tcpip` request when this is a tunnel, nil for a command.
    var tunnelTarget: [UInt8]? { get }

    /// False when nobody waits for it any more; it is then not even opened.
    var isWanted: Bool { get }

    /// The channel will be opened by another session than the one it was made for.
    func move(to session: SSHSession)

    func opened(_ handle: ChannelHandle)

    /// The server did not open the channel.
    func refused(_ failure: LibraryFailure)

    /// Does whatever is possible without waiting. Returns true when the channel is freed and over.
    func advance() throws(LibraryFailure) -> Bool

    /// The session is gone; nothing more can be asked of the channel.
    func sessionEnded(_ fault: LinkFault)
}
