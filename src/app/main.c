/* main: the program is its table of commands; started as a guard (base/child.h), it is that alone.
 */
#include "app/command.h"
#include "base/child.h"

int main(int argc, char **argv)
{
    int guarded = child_guard(argc, argv);
    return guarded >= 0 ? guarded : command_main(argc, argv);
}
