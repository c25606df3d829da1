/**
 * How a run of Puppet heeds a window that closed: Ruby that is loaded before Puppet, and has each resource skipped once the file `closed` is in
 * the work folder (closing.ts). What has begun comes to its end, a file with the making of its folder. Puppet has no hook for this: the catalogue is whole when
 * the run begins, and `skip?` of a transaction is the one question that it asks before each resource (puppet/transaction.rb, 7.23).
 */
import { closedFile } from '#policy/compile/compiler.ts'
import { placeMark } from '#policy/compile/puppet.ts'

/** Below a folder that RUBYLIB names, for RUBYOPT to load by this name. */
export const windowLibrary = 'grapevine_window'

/** Its own variables are taken from what the policy's programs inherit, or a program in Ruby would load Puppet. */
export const windowHook = `ENV.delete('RUBYOPT')
ENV.delete('RUBYLIB')
require 'puppet'
require 'puppet/transaction'
module GrapevineWindow
  def skip?(resource)
    return true if super
    # Folders of its own Puppet makes by a catalogue, too.
    return false if !catalog.host_config? || resource.class == Puppet::Type.type(:whit)
    title = resource.title.to_s
    @grapevine_begun ||= {}
    unless @grapevine_begun[title] || !File.exist?(File.join(ENV['GRAPEVINE_SCRATCH'], '${closedFile}'))
      resource.warning 'the window closed'
      return true
    end
    @grapevine_begun[title.delete_suffix('${placeMark}')] = true if title.end_with?('${placeMark}')
    false
  end
  private :skip?
end
Puppet::Transaction.prepend(GrapevineWindow)
`
